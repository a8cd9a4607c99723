/**
 * Finds a pod without a container runtime: every process's cgroup names its pod's uid.
 * Where the uid says nothing (static pods, or none is known) the addresses of the process's namespace decide.
 */
import type { Fact } from '../types.ts'
import { isMonitor, podUids } from './cgroup.ts'
import { namespaceInode, processIds, readProc, share, viewNamespace } from './process.ts'
import { type PodQuery, RuntimeError, toUnknown, unknown } from './types.ts'

/** One process of a pod, in the order of their start. */
interface Member {
  readonly pid: number
  readonly uids: readonly string[]
}

export interface Scanned {
  readonly uid: string
  readonly pid: number
  readonly netns: string
  readonly netnsPath: string
  readonly hostNetwork: boolean
  readonly addresses: readonly string[]
}

type Look = (member: Member) => Scanned[]

const HINT_SOCKET =
  "Name the runtime's socket (CONTAINER_RUNTIME_ENDPOINT=unix:///path; in a container, mount it), or run with hostPID: true."

/**
 * Scans /proc for the pod's processes. Unknown with RUNTIME_UNAVAILABLE (nothing to match, or no pod's process
 * visible), POD_NOT_ON_NODE, POD_AMBIGUOUS, PERMISSION_MISSING or NAMESPACE_GONE.
 */
export function scanForPod(query: PodQuery, pod: string, procRoot: string, nodeNetns: string): Fact<Scanned> {
  if (query.uid === null && query.addresses.length === 0) {
    return unknown(
      'RUNTIME_UNAVAILABLE',
      `no container runtime answers, and pod ${pod} cannot be told from its processes: neither its uid nor its addresses are known`,
      HINT_SOCKET,
    )
  }
  const members = podMembers(procRoot)
  if (members.length === 0) {
    return unknown('RUNTIME_UNAVAILABLE', `no process of any pod is visible in ${procRoot}`, HINT_SOCKET)
  }
  const look = looker(procRoot, nodeNetns)
  try {
    const own = members.filter(({ uids }) => query.uid !== null && uids.includes(query.uid))
    if (own.length > 0) return byUid(own, query, look)
    return byAddress(members, query, pod, look, procRoot)
  } catch (error) {
    return toUnknown(error)
  }
}

/** Every process that sits in a pod's cgroup, oldest first, without the runtime's monitors. */
function podMembers(procRoot: string): Member[] {
  return processIds(procRoot)
    .flatMap((pid) => {
      const cgroup = readProc(`${procRoot}/${pid}/cgroup`) ?? ''
      const uids = podUids(cgroup)
      return uids.length === 0 || isMonitor(cgroup) ? [] : [{ pid, uids, started: startTime(procRoot, pid) }]
    })
    .sort((a, b) => a.started - b.started || a.pid - b.pid)
}

/**
 * Field 22 of /proc/<pid>/stat, counted after the command, which may hold blanks and parentheses (proc_pid_stat(5)).
 */
function startTime(procRoot: string, pid: number): number {
  const stat = readProc(`${procRoot}/${pid}/stat`) ?? ''
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? Number.MAX_SAFE_INTEGER)
}

/**
 * The oldest process of the pod that holds one of its addresses, else the oldest: later ones may have made namespaces
 * of their own, or entered the node's. The node's namespace is a pod's only if it holds the pod's addresses, where
 * they are known.
 */
function byUid(members: readonly Member[], query: PodQuery, look: Look): Fact<Scanned> {
  const alive = members.flatMap(look)
  const chosen =
    alive.find(({ addresses }) => share(addresses, query.addresses)) ??
    alive.find(({ hostNetwork }) => !hostNetwork || query.addresses.length === 0)
  if (chosen !== undefined) return { state: 'known', value: chosen }
  return unknown(
    'NAMESPACE_GONE',
    alive.length === 0
      ? 'every process of the pod ended while it was looked at'
      : `every process of the pod is in the node's own namespace, which does not hold ${query.addresses.join(', ')}`,
    'The pod was deleted or restarted meanwhile: run again.',
  )
}

/**
 * Never the node's own namespace: it may hold any address. A process whose cgroup names another pod of the API is not
 * ours.
 */
function byAddress(
  members: readonly Member[],
  query: PodQuery,
  pod: string,
  look: Look,
  procRoot: string,
): Fact<Scanned> {
  const possible = members.filter(({ uids }) => query.uid === null || !innermost(uids).includes('-'))
  const holders = new Map<string, Scanned>()
  for (const member of possible) {
    for (const seen of look(member)) {
      const ours = !seen.hostNetwork && share(seen.addresses, query.addresses)
      if (ours && !holders.has(seen.netns)) holders.set(seen.netns, seen)
    }
  }
  const [first, ...others] = holders.values()
  if (first === undefined) {
    return unknown(
      'POD_NOT_ON_NODE',
      `no process of pod ${pod} (uid ${query.uid ?? 'unknown'}, addresses ${query.addresses.join(', ') || 'unknown'}) among ${members.length} processes of pods in ${procRoot}`,
      `Check that the pod runs on this node. If it is a static or hostNetwork pod: ${HINT_SOCKET}`,
    )
  }
  if (others.length === 0) return { state: 'known', value: first }
  return unknown(
    'POD_AMBIGUOUS',
    `${holders.size} network namespaces hold an address of pod ${pod}: those of processes ${[...holders.values()].map(({ pid }) => pid).join(', ')}`,
    HINT_SOCKET,
  )
}

/** Tells what is known of a process; nothing when it has ended. Each namespace is read once. */
function looker(procRoot: string, nodeNetns: string): Look {
  const known = new Map<string, readonly string[]>()
  return ({ pid, uids }) => {
    const netnsPath = `${procRoot}/${pid}/ns/net`
    try {
      const netns = namespaceInode(netnsPath)
      const addresses = known.get(netns) ?? viewNamespace(procRoot, pid)?.addresses ?? []
      known.set(netns, addresses)
      return [{ uid: innermost(uids), pid, netns, netnsPath, hostNetwork: netns === nodeNetns, addresses }]
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'NAMESPACE_GONE') return []
      throw error
    }
  }
}

const innermost = (uids: readonly string[]): string => uids.at(-1) ?? ''
