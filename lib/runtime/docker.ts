/**
 * Docker Engine API over a unix socket: kubelets with cri-dockerd, or dockershim before Kubernetes 1.24.
 * Labels as cri-dockerd sets them (Mirantis/cri-dockerd config/constants.go).
 */
import { request } from 'node:http'
import { noAnswer, reach } from './sockets.ts'
import { type Runtime, RuntimeError, type Sandbox, type SandboxDetails } from './types.ts'

export interface DockerContainer {
  readonly Id: string
  readonly Names: readonly string[]
  /** seconds since the epoch */
  readonly Created: number
  readonly State: string
  readonly Labels: Readonly<Record<string, string>>
}
export interface DockerInspect {
  readonly State: { readonly Pid: number }
  readonly HostConfig: { readonly NetworkMode: string; readonly Runtime?: string }
  readonly NetworkSettings: {
    readonly SandboxKey?: string
    readonly Networks?: Readonly<Record<string, { readonly IPAddress?: string; readonly GlobalIPv6Address?: string }>>
  }
}

type Get = <Response>(path: string) => Promise<Response>

/**
 * Connects to the Docker daemon at `path` and asks its version.
 * Rejects with RuntimeError: RUNTIME_UNAVAILABLE (no socket, refused, silent, not Docker) or PERMISSION_MISSING.
 */
export async function connectDocker(path: string, timeoutMs: number): Promise<Runtime> {
  await reach(path)
  const get: Get = (url) => getJson(path, url, timeoutMs)
  const version = await get<{ Version?: string; ApiVersion?: string }>('/version')
  if (version.ApiVersion === undefined) throw notDocker(path, 'GET /version names no ApiVersion')
  const inspect = (id: string) => get<DockerInspect>(`/containers/${id}/json`)
  return {
    title: `Docker API ${version.Version ?? ''} at ${path}`,
    sandboxes: async () => {
      const filters = { label: ['io.kubernetes.docker.type=podsandbox'] }
      return (await get<DockerContainer[]>(`/containers/json?all=1&filters=${encode(filters)}`)).map(toDockerSandbox)
    },
    details: async ({ id }) => toDockerDetails(await inspect(id)),
    containerPids: async ({ id }) => {
      const filters = { label: [`io.kubernetes.sandbox.id=${id}`], status: ['running'] }
      const running = await get<DockerContainer[]>(`/containers/json?filters=${encode(filters)}`)
      const pids = await Promise.all(running.map(async (one) => (await inspect(one.Id)).State.Pid))
      return pids.filter((pid) => pid > 0)
    },
    close: () => undefined,
  }
}

/**
 * A pause container in our words. Its name is k8s_POD_<pod>_<namespace>_<uid>_<attempt>; annotations are labels with a
 * prefix.
 */
export function toDockerSandbox({ Id, Names, Created, State, Labels }: DockerContainer): Sandbox {
  const attempt = Number(Names[0]?.split('_').at(-1) ?? 0)
  const prefix = 'annotation.'
  const annotations = Object.entries(Labels).filter(([key]) => key.startsWith(prefix))
  return {
    id: Id,
    namespace: Labels['io.kubernetes.pod.namespace'] ?? '',
    name: Labels['io.kubernetes.pod.name'] ?? '',
    uid: Labels['io.kubernetes.pod.uid'] ?? '',
    attempt: Number.isInteger(attempt) ? attempt : 0,
    ready: State === 'running',
    createdAt: Created * 1000,
    labels: Object.fromEntries(Object.entries(Labels).filter(([key]) => !key.startsWith(prefix))),
    annotations: Object.fromEntries(annotations.map(([key, value]) => [key.slice(prefix.length), value])),
  }
}

/** The network of an inspected pause container. Pods on CNI have NetworkMode none: then Docker knows no address. */
export function toDockerDetails({ State, HostConfig, NetworkSettings }: DockerInspect): SandboxDetails {
  const networks = Object.values(NetworkSettings.Networks ?? {})
  return {
    pid: State.Pid > 0 ? State.Pid : null,
    netnsPath: NetworkSettings.SandboxKey || null,
    hostNetwork: HostConfig.NetworkMode === 'host',
    addresses: networks
      .flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address])
      .filter((ip): ip is string => ip !== undefined && ip !== ''),
    runtimeHandler: HostConfig.Runtime || null,
    runtimeType: null,
  }
}

const encode = (filters: object): string => encodeURIComponent(JSON.stringify(filters))

function getJson<Response>(socketPath: string, path: string, timeoutMs: number): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, headers: { host: 'docker' }, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        try {
          resolve(answer<Response>(socketPath, path, response.statusCode ?? 0, Buffer.concat(chunks).toString()))
        } catch (error) {
          reject(error)
        }
      })
      response.on('error', (cause) => reject(notDocker(socketPath, cause.message)))
    })
    const timer = setTimeout(() => asked.destroy(noAnswer(socketPath, timeoutMs)), timeoutMs)
    asked.once('close', () => clearTimeout(timer))
    asked.once('error', (cause) => reject(cause instanceof RuntimeError ? cause : notDocker(socketPath, cause.message)))
    asked.end()
  })
}

function answer<Response>(socketPath: string, path: string, status: number, body: string): Response {
  if (status === 404 && path.startsWith('/containers/')) {
    throw new RuntimeError(
      'NAMESPACE_GONE',
      `Docker at ${socketPath} no longer knows the container that it listed`,
      'The pod was deleted or restarted meanwhile: run again.',
    )
  }
  if (status !== 200) throw notDocker(socketPath, `GET ${path.split('?')[0]} answered ${status}`)
  try {
    return JSON.parse(body) as Response
  } catch {
    throw notDocker(socketPath, `GET ${path.split('?')[0]} answered no JSON`)
  }
}

const notDocker = (path: string, why: string): RuntimeError =>
  new RuntimeError(
    'RUNTIME_UNAVAILABLE',
    `what listens at ${path} does not speak the Docker API (${why})`,
    'Name the socket of the runtime that the kubelet uses: CONTAINER_RUNTIME_ENDPOINT=unix:///path.',
    'foreign',
  )
