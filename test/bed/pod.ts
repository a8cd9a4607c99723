/** Pods without Kubernetes: started over the CRI as a kubelet does it, with its labels and cgroup layout. */
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Bed } from './bed.ts'
import { cgroupOf, type NodeSpec } from './containerd.ts'
import { BUSYBOX } from './image.ts'

export interface PodSpec {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly labels?: Readonly<Record<string, string>>
  /** What the container runs; without it the image's command, which sleeps. */
  readonly command?: readonly string[]
  readonly dns?: {
    readonly servers: readonly string[]
    readonly searches: readonly string[]
    readonly options: readonly string[]
  }
  readonly hostNetwork?: boolean
  readonly image?: string
}

export interface RunningPod {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly sandbox: string
  /** Process id of the sandbox. */
  readonly pid: number
  /** Path of its network namespace, through the sandbox's process. */
  readonly netns: string
  readonly addresses: readonly string[]
  remove(): Promise<void>
}

const NETWORK_POD = 0
const NETWORK_NODE = 2

/** Serves HTTP on a port of every address: a container command. */
export const httpServer = (port: number): readonly string[] => [
  '/bin/sh',
  '-c',
  `mkdir -p /tmp/w; echo ok > /tmp/w/index.html; exec httpd -f -p '[::]:${port}' -h /tmp/w`,
]

/** Starts a pod of one container on a node whose containerd listens on `socket`. */
export async function runPod(bed: Bed, node: NodeSpec, socket: string, spec: PodSpec): Promise<RunningPod> {
  const call = criCaller(socket)
  const config = sandboxConfig(bed, node, spec)
  const { uid, namespace } = config.metadata
  const { pod_sandbox_id } = await call<{ pod_sandbox_id: string }>('RunPodSandbox', { config })
  const { container_id } = await call<{ container_id: string }>('CreateContainer', {
    pod_sandbox_id,
    config: containerConfig(config.labels, spec),
    sandbox_config: config,
  })
  await call('StartContainer', { container_id })
  const { status, info } = await call<SandboxStatus>('PodSandboxStatus', { pod_sandbox_id, verbose: true })
  const { pid } = JSON.parse(info.info) as { pid: number }
  const { ip, additional_ips = [] } = status.network ?? {}
  return {
    name: spec.name,
    namespace,
    uid,
    sandbox: pod_sandbox_id,
    pid,
    netns: `/proc/${pid}/ns/net`,
    addresses: ip ? [ip, ...additional_ips.map((more) => more.ip)] : [],
    async remove() {
      await call('StopPodSandbox', { pod_sandbox_id })
      await call('RemovePodSandbox', { pod_sandbox_id })
    },
  }
}

interface SandboxStatus {
  readonly status: {
    readonly network: { readonly ip?: string; readonly additional_ips?: readonly { ip: string }[] } | null
  }
  readonly info: { readonly info: string }
}

function sandboxConfig(bed: Bed, node: NodeSpec, spec: PodSpec) {
  const { name, namespace = 'default', uid = randomUUID(), labels = {}, dns } = spec
  const log_directory = join(bed.dir, node.name, 'podlogs', `${namespace}_${name}_${uid}`)
  mkdirSync(log_directory, { recursive: true })
  return {
    metadata: { name, uid, namespace, attempt: 0 },
    // a pod on the node's network has the node's host name
    hostname: spec.hostNetwork ? '' : name,
    log_directory,
    ...(dns && { dns_config: dns }),
    labels: {
      ...labels,
      'io.kubernetes.pod.name': name,
      'io.kubernetes.pod.namespace': namespace,
      'io.kubernetes.pod.uid': uid,
    },
    linux: {
      cgroup_parent: `/${cgroupOf(bed, node)}/kubepods/besteffort/pod${uid}`,
      security_context: { namespace_options: network(spec) },
    },
  }
}

function containerConfig(podLabels: Readonly<Record<string, string>>, spec: PodSpec) {
  return {
    metadata: { name: spec.name, attempt: 0 },
    image: { image: spec.image ?? BUSYBOX.name },
    command: spec.command ?? [],
    labels: { ...podLabels, 'io.kubernetes.container.name': spec.name },
    log_path: `${spec.name}.log`,
    linux: { security_context: { namespace_options: network(spec) } },
  }
}

const network = (spec: PodSpec) => ({ network: spec.hostNetwork ? NETWORK_NODE : NETWORK_POD })

type Call = <T = unknown>(method: string, request: object) => Promise<T>
type Unary = (this: Client, request: object, done: (error: Error | null, answer: never) => void) => void

/** One connection a call: an open one would keep the process alive. */
function criCaller(socket: string): Call {
  const path = fileURLToPath(new URL('cri.proto', import.meta.url))
  const definition = loadPackageDefinition(loadSync(path, { keepCase: true, defaults: false }))
  const { runtime } = definition as unknown as { runtime: { v1: { RuntimeService: ServiceClientConstructor } } }
  return (method, request) =>
    new Promise((resolve, reject) => {
      const client = new runtime.v1.RuntimeService(`unix://${socket}`, credentials.createInsecure())
      const send = client[method] as Unary
      send.call(client, request, (error, answer) => {
        client.close()
        if (error) reject(new Error(`${method}: ${error.message}`))
        else resolve(answer)
      })
    })
}
