/** The product's image as a pod: on a node of the cluster, with the capabilities that a run needs and nothing to write to but /reports. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Report } from '../../lib/types.ts'
import { type KubeObject, pathOf, until } from '../bed/kubernetes/api.ts'
import type { Cluster, ClusterNode } from '../bed/kubernetes/cluster.ts'
import { settingsOn } from './suite.ts'

/** The last two: to take the user or group that a sidecar lets pass. */
const CAPABILITIES = ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_PTRACE', 'SETUID', 'SETGID']

/** A pod keeps its object, with its exit code, until the test has read it. */
const FINALIZER = 'k8snetlook.test/until-read'

export interface PodRunOptions {
  /** Full reference of the image. */
  readonly image: string
  /** Instead of the image's entry point. */
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Directory of the machine for the reports; absent: an emptyDir. */
  readonly reports?: string
}

export interface PodRun {
  /** Where the machine sees the pod's /reports. */
  readonly reports: string
  /** Waits for the pod's end. */
  ended(): Promise<{ readonly exitCode: number; readonly output: string }>
  /** Asks Kubernetes to end the pod: SIGTERM, and SIGKILL 20 s later. */
  delete(): Promise<void>
  /** Takes the pod away with all that it left in an emptyDir. */
  remove(): Promise<void>
}

interface PodStatus {
  readonly metadata: { readonly uid: string }
  readonly status: {
    readonly containerStatuses?: readonly { readonly state: { readonly terminated?: { readonly exitCode: number } } }[]
  }
}

/** Starts a pod "k8snetlook" with SRC_POD=bbox. */
export async function startPod(cluster: Cluster, node: ClusterNode, options: PodRunOptions): Promise<PodRun> {
  const object = podObject(cluster, node, options)
  if (options.reports) mkdirSync(options.reports, { recursive: true })
  await cluster.apply([object])
  const path = pathOf(object)
  const { metadata } = await cluster.api<PodStatus>(path)
  const home = join(cluster.dir, node.name)
  const reports = options.reports ?? join(home, 'kubelet/pods', metadata.uid, 'volumes/kubernetes.io~empty-dir/reports')
  const log = join(home, 'podlogs', `default_${object.metadata.name}_${metadata.uid}`, 'k8snetlook/0.log')
  return {
    reports,
    async ended() {
      const exitCode = await until('the pod to end', 120, async () => {
        const { status } = await cluster.api<PodStatus>(path)
        const code = status.containerStatuses?.[0]?.state.terminated?.exitCode
        return code === undefined ? undefined : { code }
      })
      return { exitCode: exitCode.code, output: existsSync(log) ? readFileSync(log, 'utf8') : '' }
    },
    async delete() {
      await cluster.api(path, { method: 'DELETE' })
    },
    async remove() {
      await cluster.api(path, { method: 'PATCH', body: { metadata: { finalizers: null } } })
      await cluster.api(`${path}?gracePeriodSeconds=0`, { method: 'DELETE' }).catch(() => undefined)
      await until('the pod to be gone', 60, () =>
        cluster.api(path).then(
          () => false,
          () => true,
        ),
      )
    },
  }
}

/** The JSON report in a directory, once it is there. */
export function reportIn(dir: string, node: ClusterNode): Report | undefined {
  const path = join(dir, `report-${node.name}.json`)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : undefined
}

function podObject(cluster: Cluster, node: ClusterNode, options: PodRunOptions): KubeObject {
  const env = { ...settingsOn(cluster, node), ...options.env }
  const shared = [dirname(cluster.kubeconfig), dirname(node.socket)]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'k8snetlook', namespace: 'default', ...{ finalizers: [FINALIZER] } },
    spec: {
      nodeName: node.name,
      hostNetwork: true,
      hostPID: true,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 20,
      containers: [
        {
          name: 'k8snetlook',
          image: options.image,
          imagePullPolicy: 'Never',
          ...(options.command ? { command: options.command } : {}),
          ...(options.args ? { args: options.args } : {}),
          env: Object.entries(env).map(([name, value]) => ({ name, value })),
          securityContext: {
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'], add: CAPABILITIES },
          },
          volumeMounts: [
            { name: 'reports', mountPath: '/reports' },
            ...shared.map((mountPath, i) => ({ name: `shared-${i}`, mountPath, readOnly: true })),
          ],
        },
      ],
      volumes: [
        { name: 'reports', ...(options.reports ? { hostPath: { path: options.reports } } : { emptyDir: {} }) },
        ...shared.map((path, i) => ({ name: `shared-${i}`, hostPath: { path } })),
      ],
    },
  }
}
