/** The objects of a run over all nodes, made from the manifests in deploy/base: nothing else is ever created. Pure but for reading those. */
import { readFileSync } from 'node:fs'
import { load } from 'js-yaml'
import type { V1Job, V1ObjectMeta, V1OwnerReference } from '../kube/index.ts'
import type { Peer } from '../types.ts'

/** Any object of Kubernetes, as far as it is looked at here. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: V1ObjectMeta
  readonly [field: string]: unknown
}

/** The manifests of deploy/base. */
export interface Manifests {
  readonly namespace: KubeObject
  readonly serviceAccount: KubeObject
  readonly clusterRole: KubeObject
  readonly clusterRoleBinding: KubeObject
  readonly job: V1Job & KubeObject
}

/** Manifests name the image without a tag: it is the one of this version. */
const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

export interface RunIdentity {
  /** Eight characters, in every name and label of the run. */
  readonly id: string
  /** Where its Jobs are. */
  readonly namespace: string
  /** ISO 8601: what is still there then is a left-over. */
  readonly expires: string
}

/** Label of everything that a run makes; its value is the run's id. */
export const RUN_LABEL = 'k8snetlook/run'
/** Annotation of a run's owner: when it is over at the latest, ISO 8601. */
export const EXPIRES = 'k8snetlook/expires'
/** Annotation of a Job: its node (a node's name may be longer than a label's value). */
export const NODE = 'k8snetlook/node'

/** The name by which the ServiceAccount, roles and namespace of deploy/base go. */
const BASE = 'k8snetlook'

export function readManifests(): Manifests {
  const read = (name: string) => load(readFileSync(new URL(`../../deploy/base/${name}.yaml`, import.meta.url), 'utf8'))
  return {
    namespace: read('namespace') as KubeObject,
    serviceAccount: read('serviceaccount') as KubeObject,
    clusterRole: read('clusterrole') as KubeObject,
    clusterRoleBinding: read('clusterrolebinding') as KubeObject,
    job: read('job') as Manifests['job'],
  }
}

export const nameOfRun = ({ id }: Pick<RunIdentity, 'id'>): string => `${BASE}-${id}`

const labelled = (run: RunIdentity, more: V1ObjectMeta = {}): V1ObjectMeta => ({
  ...more,
  labels: {
    ...more.labels,
    'app.kubernetes.io/name': BASE,
    'app.kubernetes.io/managed-by': BASE,
    [RUN_LABEL]: run.id,
  },
})

/**
 * Where deploy/base is installed (its ServiceAccount exists): a ConfigMap in that namespace, which owns the Jobs.
 * Deleting it deletes all of the run.
 */
export const installedOwner = (run: RunIdentity): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: labelled(run, {
    name: nameOfRun(run),
    namespace: run.namespace,
    annotations: { [EXPIRES]: run.expires },
  }),
})

/**
 * Where it is not: the ClusterRole that the Jobs need, which owns its binding and the run's own namespace.
 * Deleting it deletes all of the run: the garbage collector follows (a namespaced object cannot own a wider one).
 */
export const ownOwner = ({ clusterRole }: Manifests, run: RunIdentity): KubeObject => ({
  ...clusterRole,
  metadata: labelled(run, { name: nameOfRun(run), annotations: { [EXPIRES]: run.expires } }),
})

/** What stands around the Jobs of a run that is not installed, in order. */
export function ownSurroundings(
  { namespace, serviceAccount, clusterRoleBinding }: Manifests,
  run: RunIdentity,
  owner: V1OwnerReference,
): KubeObject[] {
  const name = nameOfRun(run)
  const owned = labelled(run, { name, ownerReferences: [owner] })
  return [
    {
      ...clusterRoleBinding,
      metadata: owned,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: BASE, namespace: run.namespace }],
    },
    {
      ...namespace,
      metadata: { ...owned, name: run.namespace, labels: { ...namespace.metadata.labels, ...owned.labels } },
    },
    { ...serviceAccount, metadata: labelled(run, { name: BASE, namespace: run.namespace }) },
  ]
}

export const ownerReference = ({ apiVersion, kind, metadata }: KubeObject, uid: string): V1OwnerReference => ({
  apiVersion,
  kind,
  name: metadata.name ?? '',
  uid,
})

/** What the Job of one node is asked to do. */
export interface NodeTask {
  readonly node: string
  /** Unique in the run: a number. */
  readonly index: number
  /** SRC_POD; null: only the node itself is asked. */
  readonly source: string | null
  readonly peers: readonly Peer[]
}

export interface JobOptions {
  readonly image: string | null
  /** Seconds until Kubernetes ends it. */
  readonly deadline: number
  /** Settings that every node gets; `$(NODE_NAME)` in a value is the node's name (Kubernetes expands it). */
  readonly settings: Readonly<Record<string, string>>
}

/** Seconds that the Job of a run that died is kept. */
const KEPT = 600

export const jobName = (run: RunIdentity, { index }: Pick<NodeTask, 'index'>): string => `${nameOfRun(run)}-${index}`

/** The Job of one node: that of deploy/base, bound to the node, with its settings in place of the ConfigMap's. */
export function nodeJob(
  { job }: Manifests,
  run: RunIdentity,
  task: NodeTask,
  { image, deadline, settings }: JobOptions,
  owner: V1OwnerReference | null,
): KubeObject {
  const { spec } = job
  const pod = spec?.template.spec
  const [container] = pod?.containers ?? []
  if (!spec || !pod || !container) throw new Error('deploy/base/job.yaml has no container')
  const { envFrom: _, image: unversioned = '', ...rest } = container
  const set = {
    ...settings,
    ...(task.source === null ? {} : { SRC_POD: task.source }),
    PEERS: JSON.stringify(task.peers),
    PRINT_REPORTS: 'packed',
  }
  const env = [
    ...(container.env ?? []).filter(({ name }) => !(name in set)),
    ...Object.entries(set).map(([name, value]) => ({ name, value })),
  ]
  const about = labelled(run, { annotations: { [NODE]: task.node } })
  return {
    apiVersion: job.apiVersion,
    kind: job.kind,
    metadata: {
      ...about,
      name: jobName(run, task),
      namespace: run.namespace,
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    spec: {
      ...spec,
      activeDeadlineSeconds: deadline,
      ttlSecondsAfterFinished: KEPT,
      template: {
        metadata: about,
        spec: {
          ...pod,
          serviceAccountName: BASE,
          nodeName: task.node,
          activeDeadlineSeconds: deadline,
          containers: [
            {
              ...rest,
              image: image ?? `${unversioned}:${VERSION}`,
              args: [task.source === null ? 'checks/host' : 'checks/pod'],
              env,
            },
          ],
        },
      },
    },
  }
}
