/**
 * Container Runtime Interface (k8s.io/cri-api, runtime.v1) over gRPC on a unix socket.
 * gRPC is loaded when a pod is to be found: a run without one does not pay for it.
 */
import { fileURLToPath } from 'node:url'
import { noAnswer, reach } from './sockets.ts'
import { type Runtime, RuntimeError, type Sandbox, type SandboxDetails } from './types.ts'

/** What the client needs of a generated stub: name, request, deadline. */
type Call = <Response>(method: string, request: object) => Promise<Response>

interface VersionResponse {
  readonly runtime_name: string
  readonly runtime_version: string
}
export interface CriSandbox {
  readonly id: string
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly namespace: string
    readonly attempt: number
  } | null
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY'
  /** nanoseconds since the epoch */
  readonly created_at: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
export interface CriSandboxStatus {
  readonly status: {
    readonly network: { readonly ip: string; readonly additional_ips: readonly { readonly ip: string }[] } | null
    readonly linux: { readonly namespaces: { readonly options: { readonly network: string } | null } | null } | null
    readonly runtime_handler: string
  } | null
  readonly info: { readonly info?: string }
}

/**
 * Connects to the runtime at `path` and asks its version.
 * Rejects with RuntimeError: RUNTIME_UNAVAILABLE (no socket, refused, silent, not CRI) or PERMISSION_MISSING.
 */
export async function connectCri(path: string, timeoutMs: number): Promise<Runtime & { overDocker: boolean }> {
  await reach(path)
  const { call, close } = await client(path, timeoutMs)
  try {
    const version = await call<VersionResponse>('Version', {})
    return {
      overDocker: version.runtime_name === 'docker',
      title: `CRI ${version.runtime_name} ${version.runtime_version.replace(/^v/, '')} at ${path}`,
      sandboxes: async () => (await call<{ items: CriSandbox[] }>('ListPodSandbox', {})).items.flatMap(toSandbox),
      details: async ({ id }) =>
        toDetails(await call<CriSandboxStatus>('PodSandboxStatus', { pod_sandbox_id: id, verbose: true })),
      containerPids: ({ id }) => containerPids(call, id),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/** A CRI sandbox in our words; none when it has no metadata (not made by a kubelet). */
export function toSandbox(sandbox: CriSandbox): Sandbox[] {
  const { metadata } = sandbox
  if (metadata === null) return []
  return [
    {
      id: sandbox.id,
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      attempt: metadata.attempt,
      ready: sandbox.state === 'SANDBOX_READY',
      createdAt: Number(sandbox.created_at) / 1e6,
      labels: sandbox.labels,
      annotations: sandbox.annotations,
    },
  ]
}

/**
 * What a verbose PodSandboxStatus says about the network. `info.info` is JSON whose keys depend on the runtime:
 * containerd has pid and runtimeSpec, CRI-O without infra container only runtimeSpec, cri-dockerd nothing.
 */
export function toDetails({ status, info }: CriSandboxStatus): SandboxDetails {
  const verbose = parseInfo(info)
  const network = status?.network
  const mode = status?.linux?.namespaces?.options?.network
  const namespace = verbose.runtimeSpec?.linux?.namespaces?.find(({ type }) => type === 'network')
  return {
    pid: livePid(verbose.pid),
    netnsPath: namespace?.path || null,
    hostNetwork: mode === undefined ? null : mode === 'NODE',
    addresses: [network?.ip, ...(network?.additional_ips ?? []).map(({ ip }) => ip)].filter((ip) => ip) as string[],
    runtimeHandler: status?.runtime_handler || verbose.runtimeHandler || null,
    runtimeType: verbose.runtimeType || null,
  }
}

interface VerboseInfo {
  readonly pid?: number
  readonly runtimeHandler?: string
  readonly runtimeType?: string
  readonly runtimeSpec?: {
    readonly linux?: { readonly namespaces?: readonly { readonly type: string; readonly path?: string }[] }
  } | null
}

function parseInfo(info: CriSandboxStatus['info']): VerboseInfo {
  try {
    return (JSON.parse(info.info ?? '{}') as VerboseInfo | null) ?? {}
  } catch {
    // free text by contract: a runtime that does not write JSON has told us nothing
    return {}
  }
}

const livePid = (pid: number | undefined): number | null => (pid !== undefined && pid > 0 ? pid : null)

async function containerPids(call: Call, sandbox: string): Promise<number[]> {
  const filter = { pod_sandbox_id: sandbox, state: { state: 'CONTAINER_RUNNING' } }
  const { containers } = await call<{ containers: { id: string }[] }>('ListContainers', { filter })
  const pids = await Promise.all(
    containers.map(async ({ id }) => {
      const request = { container_id: id, verbose: true }
      const answer = await call<Pick<CriSandboxStatus, 'info'>>('ContainerStatus', request).catch(endedMeanwhile)
      return answer === null ? null : livePid(parseInfo(answer.info).pid)
    }),
  )
  return pids.filter((pid) => pid !== null)
}

/** A container that ended since it was listed has no process to look at; any other failure stands. */
function endedMeanwhile(error: unknown): null {
  if (error instanceof RuntimeError && error.code === 'NAMESPACE_GONE') return null
  throw error
}

interface Protocol {
  readonly grpc: typeof import('@grpc/grpc-js')
  readonly service: import('@grpc/grpc-js').ServiceDefinition
}

let loading: Promise<Protocol> | undefined

/** gRPC and the protocol's messages, loaded once: 0.1 s of CPU that may as well be spent while something else is waited for. */
export function loadProtocol(): Promise<Protocol> {
  loading ??= Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')]).then(([grpc, loader]) => {
    const options = { keepCase: true, longs: String, enums: String, defaults: true }
    const definition = loader.loadSync(fileURLToPath(new URL('./cri.proto', import.meta.url)), options)
    return { grpc, service: definition['runtime.v1.RuntimeService'] as Protocol['service'] }
  })
  return loading
}

async function client(path: string, timeoutMs: number): Promise<{ call: Call; close(): void }> {
  const { grpc, service } = await loadProtocol()
  const stub = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
  })
  const call: Call = <Response>(method: string, request: object) =>
    new Promise<Response>((resolve, reject) => {
      const rpc = service[method]
      if (rpc === undefined) throw new Error(`cri.proto has no method ${method}`)
      stub.makeUnaryRequest(
        rpc.path,
        rpc.requestSerialize,
        rpc.responseDeserialize,
        request,
        { deadline: Date.now() + timeoutMs },
        (error, response) => (error ? reject(failed(path, timeoutMs, method, error)) : resolve(response as Response)),
      )
    })
  return { call, close: () => stub.close() }
}

/** gRPC status codes: https://grpc.io/docs/guides/status-codes/ */
function failed(path: string, timeoutMs: number, method: string, cause: { code: number; details: string }) {
  switch (cause.code) {
    case 4:
      return noAnswer(path, timeoutMs)
    case 5:
      return new RuntimeError(
        'NAMESPACE_GONE',
        `the runtime at ${path} no longer knows the sandbox that it listed: ${cause.details}`,
        'The pod was deleted or restarted meanwhile: run again.',
      )
    case 12:
      return new RuntimeError(
        'RUNTIME_UNAVAILABLE',
        `${path} answers gRPC but not the Container Runtime Interface runtime.v1: ${cause.details}`,
        "containerd: its CRI plug-in is off (`disabled_plugins` in config.toml) or it is older than 1.6. Name the kubelet's runtime: CONTAINER_RUNTIME_ENDPOINT.",
        'foreign',
      )
    case 13:
    case 14:
      return new RuntimeError(
        'RUNTIME_UNAVAILABLE',
        `what listens at ${path} is no container runtime: it does not speak gRPC (${cause.details})`,
        'Name the socket of the runtime that the kubelet uses (its --container-runtime-endpoint): CONTAINER_RUNTIME_ENDPOINT=unix:///path.',
        'foreign',
      )
    default:
      return new RuntimeError(
        'RUNTIME_UNAVAILABLE',
        `the runtime at ${path} answered ${method} with an error: ${cause.details}`,
        "Ask it by hand: `crictl pods`. Read the runtime's journal.",
      )
  }
}
