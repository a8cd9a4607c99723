/** From an endpoint to a runtime that answers, whatever it speaks. */
import { connectCri } from './cri.ts'
import { connectDocker } from './docker.ts'
import { dockerRuns } from './process.ts'
import { endpointPath, existingSockets, socketAt, usualSockets } from './sockets.ts'
import { type LookupOptions, type Runtime, RuntimeError } from './types.ts'

const DOCKER = /(^|\/)docker\.sock$/

/** The endpoints to ask in turn: the named one alone, else those of the given or usual sockets that exist. */
export function endpoints({ endpoint, sockets, runtimeVersion, procRoot = '/proc' }: LookupOptions): string[] {
  if (endpoint !== null) return [namedEndpoint(endpoint, procRoot)]
  return existingSockets(sockets ?? usualSockets(runtimeVersion, procRoot, () => dockerRuns(procRoot)))
}

/** A path of the node, wherever this process sees it; what is no unix socket stays, and is refused by its name. */
function namedEndpoint(endpoint: string, procRoot: string): string {
  const path = endpointPath(endpoint)
  return path === null ? endpoint : socketAt(path, procRoot)
}

/**
 * The Docker API where the socket bears its name; elsewhere the CRI, then Docker, since a socket may have any name.
 * cri-dockerd knows no process of a sandbox without running containers (a crashing pod): its Docker does.
 */
export async function connect(endpoint: string, options: LookupOptions): Promise<Runtime> {
  const timeoutMs = options.timeoutMs ?? 5000
  const path = endpointPath(endpoint)
  if (path === null) {
    throw new RuntimeError(
      'RUNTIME_UNAVAILABLE',
      `${endpoint} is no unix socket`,
      'Write CONTAINER_RUNTIME_ENDPOINT as unix:///run/containerd/containerd.sock or as a path.',
    )
  }
  if (DOCKER.test(path)) return connectDocker(path, timeoutMs)
  try {
    const cri = await connectCri(path, timeoutMs)
    return cri.overDocker ? withDocker(cri, options, timeoutMs) : cri
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.trouble !== 'foreign') throw error
    return connectDocker(path, timeoutMs).catch(() => Promise.reject(error))
  }
}

function withDocker(cri: Runtime, options: LookupOptions, timeoutMs: number): Runtime {
  const sockets = endpoints({ ...options, endpoint: null, runtimeVersion: 'docker://' }).filter((at) => DOCKER.test(at))
  const [socket] = sockets
  if (socket === undefined) return cri
  return {
    ...cri,
    containerPids: async (sandbox) => {
      const pids = await cri.containerPids(sandbox)
      if (pids.length > 0) return pids
      const docker = await connectDocker(socket, timeoutMs)
      const { pid } = await docker.details(sandbox)
      return pid === null ? [] : [pid]
    },
  }
}
