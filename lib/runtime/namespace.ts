/** From what a runtime says to a network namespace that is proven to be the pod's. */
import { podUids } from './cgroup.ts'
import { namespaceInode, readProc, share, viewNamespace } from './process.ts'
import { RuntimeError, type SandboxDetails } from './types.ts'

/** A namespace, how to open it, and a process in it. */
export interface Found {
  readonly path: string
  readonly inode: string
  readonly pid: number | null
}

export interface Where {
  readonly procRoot: string
  readonly nodeNetns: string
  readonly nodeNetnsPath: string | null
  /** The pod in a reader's words. */
  readonly pod: string
  /** The kubelet's uid: a process of another pod is a reused process id. */
  readonly uid: string
}

/**
 * The namespace of a sandbox. In this order: its own process, the namespace that the runtime pinned, a process of a
 * running container. Process ids may be stale, reused, or from another PID namespace, so each is checked: it exists, it
 * belongs to no other pod, it is in the pinned namespace if that is visible here, else its cgroup or its namespace's
 * addresses fit the pod, and it is not in the node's own namespace.
 * Throws RuntimeError: PERMISSION_MISSING, NAMESPACE_GONE, or why the runtime could not be asked for containers.
 */
export async function sandboxNamespace(
  details: SandboxDetails,
  containerPids: () => Promise<number[]>,
  where: Where,
): Promise<Found> {
  const problems: RuntimeError[] = []
  const note = (error: unknown): null => {
    if (!(error instanceof RuntimeError)) throw error
    problems.push(error)
    return null
  }
  const attempt = (look: () => Found): Found | null => {
    try {
      return look()
    } catch (error) {
      return note(error)
    }
  }
  const { netnsPath, pid } = details
  const pinned = netnsPath === null ? null : attempt(() => pinnedNamespace(netnsPath, details, where))
  const byPid = (candidate: number) => attempt(() => processNamespace(candidate, pinned, details, where))
  const own = pid === null ? null : byPid(pid)
  if (own !== null) return own
  for (const candidate of (await containerPids().catch(note)) ?? []) {
    const found = byPid(candidate)
    if (found !== null) return found
  }
  if (pinned !== null) return pinned
  if (details.hostNetwork === true) return nodeNamespace(where)
  throw worst(problems, where)
}

/** The node's own namespace. The path of this process serves when the suite runs there. */
export function nodeNamespace({ nodeNetns, nodeNetnsPath }: Pick<Where, 'nodeNetns' | 'nodeNetnsPath'>): Found {
  const path = nodeNetnsPath ?? `/proc/${process.pid}/ns/net`
  return { path, inode: nodeNetns, pid: null }
}

function pinnedNamespace(path: string, details: SandboxDetails, where: Where): Found {
  const below = `${where.procRoot}/1/root`
  const paths = [path, `${below}${path.replace(/^\/var\/run\//, '/run/')}`, `${below}${path}`]
  let first: unknown
  for (const candidate of paths) {
    try {
      return notTheNode({ path: candidate, inode: namespaceInode(candidate), pid: null }, details, where)
    } catch (error) {
      first ??= error
    }
  }
  throw first
}

function processNamespace(pid: number, pinned: Found | null, details: SandboxDetails, where: Where): Found {
  const cgroup = readProc(`${where.procRoot}/${pid}/cgroup`)
  if (cgroup === null) throw wrongProcess(pid, 'is not there', where)
  const path = `${where.procRoot}/${pid}/ns/net`
  const found = { path, inode: namespaceInode(path), pid }
  const uids = podUids(cgroup)
  const proven = uids.includes(where.uid)
  if (uids.length > 0 && !proven) throw wrongProcess(pid, `belongs to the pod with uid ${uids[0]}`, where)
  if (pinned !== null) {
    if (pinned.inode !== found.inode) throw wrongProcess(pid, `is not in the namespace ${pinned.path}`, where)
    return { ...pinned, pid }
  }
  if (!proven) refuteByNetwork(found, pid, details, where)
  return notTheNode(found, details, where)
}

/** A process whose cgroup is hidden must at least be in a namespace that fits what the runtime says. */
function refuteByNetwork(found: Found, pid: number, { hostNetwork, addresses }: SandboxDetails, where: Where): void {
  if (hostNetwork === true && found.inode !== where.nodeNetns) {
    throw wrongProcess(pid, "is not in the node's namespace, as a hostNetwork pod is", where)
  }
  const seen = addresses.length === 0 ? [] : (viewNamespace(where.procRoot, pid)?.addresses ?? [])
  if (seen.length > 0 && !share(seen, addresses)) {
    throw wrongProcess(pid, `has the addresses ${seen.join(', ')}, the pod has ${addresses.join(', ')}`, where)
  }
}

/**
 * A pod with a network of its own that seems to be in the node's namespace: probes from there would measure the node.
 */
function notTheNode(found: Found, { hostNetwork }: SandboxDetails, where: Where): Found {
  if (hostNetwork !== false || found.inode !== where.nodeNetns) return found
  throw new RuntimeError(
    'NAMESPACE_GONE',
    `the runtime's answer for pod ${where.pod} leads to the node's own namespace (${found.path}), but the pod has one of its own`,
    PID_HINT,
  )
}

const PID_HINT =
  'Either the pod was restarted meanwhile (run again), or this process does not see the process ids of the node: run on the node itself, or with hostPID: true.'

const wrongProcess = (pid: number, why: string, { pod }: Where): RuntimeError =>
  new RuntimeError('NAMESPACE_GONE', `process ${pid}, which the runtime names for pod ${pod}, ${why}`, PID_HINT)

function worst(problems: readonly RuntimeError[], { pod }: Where): RuntimeError {
  return (
    problems.find(({ code }) => code === 'PERMISSION_MISSING') ??
    problems[0] ??
    new RuntimeError(
      'NAMESPACE_GONE',
      `the runtime names neither a process nor a network namespace of pod ${pod}`,
      'No container of the pod runs: see `kubectl describe pod`. With Docker, name its socket: CONTAINER_RUNTIME_ENDPOINT=unix:///run/docker.sock.',
    )
  )
}
