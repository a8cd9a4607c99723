/** Where container runtimes listen, which of them comes first, and whether somebody answers there. */
import { statSync } from 'node:fs'
import { connect } from 'node:net'
import { RuntimeError } from './types.ts'

type Kind = 'containerd' | 'cri-o' | 'docker'

/**
 * Default sockets of containerd, k3s and RKE2 (one path), k0s, MicroK8s, CRI-O, cri-dockerd and Docker.
 * `/run`, not `/var/run`: the latter is an absolute link, which leads astray below /proc/1/root.
 */
const USUAL: readonly (readonly [Kind, string])[] = [
  ['containerd', '/run/containerd/containerd.sock'],
  ['cri-o', '/run/crio/crio.sock'],
  ['docker', '/run/cri-dockerd.sock'],
  ['containerd', '/run/k3s/containerd/containerd.sock'],
  ['docker', '/run/k3s/cri-dockerd/cri-dockerd.sock'],
  ['containerd', '/run/k0s/containerd.sock'],
  ['containerd', '/var/snap/microk8s/common/run/containerd.sock'],
  ['docker', '/run/docker.sock'],
]

/**
 * The usual sockets, those of the named runtime first. `runtimeVersion` as in Node.status: containerd://1.6.20.
 * Docker's are left out unless it is named or runs: systemd may listen there and would start it, and a starting Docker
 * rewrites the node's packet filter. Each is followed by the other places where a container may see it.
 */
export function usualSockets(runtimeVersion: string | null, procRoot: string, dockerRuns: () => boolean): string[] {
  const kind = runtimeVersion?.split('://')[0]
  const usual = kind === 'docker' || dockerRuns() ? USUAL : USUAL.filter(([of]) => of !== 'docker')
  const ordered = [...usual.filter(([of]) => of === kind), ...usual.filter(([of]) => of !== kind)].map(
    ([, path]) => path,
  )
  return ordered.flatMap((path) => placesOf(path, procRoot))
}

/**
 * Where a path of the node may be seen: as it is; in a container where deploy/ mounts the node's /run; below the root of process 1.
 * Not /var/run there: that is an absolute link.
 */
function placesOf(path: string, procRoot: string): string[] {
  const real = path.replace(/^\/var\/run\//, '/run/')
  const mounted = real.startsWith('/run/') ? [`/host${real}`] : []
  return [path, ...mounted, `${procRoot}/1/root${real}`]
}

/** The socket that a path of the node means: the first place that has one, else the path itself. */
export function socketAt(path: string, procRoot: string): string {
  return existingSockets(placesOf(path, procRoot))[0] ?? path
}

/** The path of unix:///path, unix:/path or /path; null for anything else (tcp, npipe, a relative path). */
export function endpointPath(endpoint: string): string | null {
  return /^(?:unix:(?:\/\/)?)?(\/(?!\/).*)$/.exec(endpoint)?.[1] ?? null
}

/** Those of `paths` that exist and may be seen, each socket once, whatever links lead to it. */
export function existingSockets(paths: readonly string[]): string[] {
  const seen = new Set<string>()
  return paths.filter((path) => {
    const key = identityOf(path)
    if (key === null || seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** null: it is not there, or not to be seen (/proc/1/root without CAP_SYS_PTRACE). */
function identityOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return null
  }
}

const HINT_NAME = 'Name the socket of the runtime that the kubelet uses: CONTAINER_RUNTIME_ENDPOINT=unix:///path.'

/**
 * Resolves when somebody listens at the unix socket `path`; rejects with a RuntimeError that says why not. Both at
 * once.
 */
export function reach(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const settle = (error: RuntimeError | null): void => {
      socket.destroy()
      if (error === null) resolve()
      else reject(error)
    }
    socket.once('connect', () => settle(null))
    socket.once('error', (cause: NodeJS.ErrnoException) => settle(unreachable(path, cause)))
  })
}

export const noAnswer = (path: string, timeoutMs: number): RuntimeError =>
  new RuntimeError(
    'RUNTIME_UNAVAILABLE',
    `the container runtime at ${path} did not answer within ${timeoutMs} ms`,
    'Ask it by hand: `crictl pods` (or `docker ps`). If that hangs too, the runtime is stuck: read its journal and restart it.',
  )

function unreachable(path: string, cause: NodeJS.ErrnoException): RuntimeError {
  switch (cause.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new RuntimeError(
        'RUNTIME_UNAVAILABLE',
        `there is no container runtime socket at ${path}`,
        `${HINT_NAME} In a container, mount the directory that holds it.`,
        'absent',
      )
    case 'ECONNREFUSED':
      return new RuntimeError(
        'RUNTIME_UNAVAILABLE',
        `nobody listens at ${path} (connection refused)`,
        'The runtime is not running, or this is a leftover of it: `systemctl status containerd crio docker`.',
        'absent',
      )
    case 'EACCES':
    case 'EPERM':
      return new RuntimeError(
        'PERMISSION_MISSING',
        `may not open the container runtime socket ${path} (${cause.code})`,
        'Run as root: the socket belongs to root.',
      )
    default:
      return new RuntimeError('RUNTIME_UNAVAILABLE', `cannot connect to ${path}: ${cause.message}`, HINT_NAME)
  }
}
