/**
 * From a pod to its network namespace: the Container Runtime Interface, the Docker API, or a scan of /proc.
 * Nothing here enters a namespace, and nothing is changed: runtimes are only asked.
 */
import type { Fact } from '../types.ts'
import { connect, endpoints } from './connect.ts'
import { loadProtocol } from './cri.ts'
import { nodeNamespace, sandboxNamespace } from './namespace.ts'
import { describe, pickSandbox, readyPods } from './pick.ts'
import { viewNamespace } from './process.ts'
import { looksSandboxed, sandboxed, saysSandboxed } from './sandboxed.ts'
import { scanForPod } from './scan.ts'
import {
  type LocatedPod,
  type LocatedPodSummary,
  type LookupOptions,
  type PodQuery,
  type Runtime,
  RuntimeError,
  type Sandbox,
  type SandboxDetails,
  toUnknown,
  type Unknown,
  unknown,
} from './types.ts'

export type { LocatedPod, LocatedPodSummary, LookupOptions, PodQuery } from './types.ts'

type Visit<T> = (runtime: Runtime) => Promise<Fact<T>>

const PROC = '/proc'

/** Loads what most lookups need, while something else is waited for. That it cannot be loaded, the lookup will say. */
export function prepareLookup(): void {
  loadProtocol().catch(() => undefined)
}

/**
 * The pods with a ready sandbox on this node, by namespace and name, of the first runtime that has any.
 * Unknown with RUNTIME_UNAVAILABLE or PERMISSION_MISSING when none can be asked.
 */
export async function listPods(options: LookupOptions): Promise<Fact<LocatedPodSummary[]>> {
  const { settled, misses, failures } = await eachRuntime<LocatedPodSummary[]>(options, async (runtime) => {
    const pods = readyPods(await runtime.sandboxes())
    return pods.length > 0 ? { state: 'known', value: pods } : unknown('POD_NOT_ON_NODE', '', '')
  })
  if (settled !== null) return settled
  return misses.length > 0 && !failures.some(isBroken) ? { state: 'known', value: [] } : noRuntime(failures)
}

/** Ids of every sandbox that the runtime knows, ready or not. Unknown as listPods. */
export async function sandboxIds(options: LookupOptions): Promise<Fact<readonly string[]>> {
  const { settled, failures } = await eachRuntime<readonly string[]>(options, async (runtime) => {
    const sandboxes = await runtime.sandboxes()
    return sandboxes.length > 0
      ? { state: 'known', value: sandboxes.map(({ id }) => id) }
      : unknown('POD_NOT_ON_NODE', '', '')
  })
  return settled ?? noRuntime(failures)
}

/**
 * The network namespace of a pod on this node. A named endpoint is asked alone; else the usual sockets in turn, then
 * /proc. Unknown codes: RUNTIME_UNAVAILABLE, POD_NOT_ON_NODE, POD_NOT_RUNNING, POD_AMBIGUOUS, SANDBOXED_RUNTIME,
 * PERMISSION_MISSING, NAMESPACE_GONE.
 */
export async function locatePod(query: PodQuery, options: LookupOptions): Promise<Fact<LocatedPod>> {
  const found = await eachRuntime<LocatedPod>(options, async (runtime) => {
    const sandbox = pickSandbox(await runtime.sandboxes(), query)
    return sandbox.state === 'known' ? locate(runtime, sandbox.value, query, options) : sandbox
  })
  if (found.settled !== null) return found.settled
  const miss = found.misses.find(({ code }) => code !== 'POD_NOT_ON_NODE') ?? found.misses[0]
  if (miss !== undefined && !found.failures.some(isBroken)) return miss
  if (options.endpoint !== null) return noRuntime(found.failures)
  const scanned = scan(query, options)
  return scanned.state === 'known' || found.failures.length === 0 ? scanned : noRuntime(found.failures)
}

interface Visited<T> {
  /** What ends the search: a value, or a reason that no other runtime can mend. */
  readonly settled: Fact<T> | null
  /** Runtimes that answered and do not run the pod. */
  readonly misses: readonly Unknown[]
  /** Sockets that exist but could not be asked. */
  readonly failures: readonly RuntimeError[]
}

async function eachRuntime<T>(options: LookupOptions, visit: Visit<T>): Promise<Visited<T>> {
  const misses: Unknown[] = []
  const failures: RuntimeError[] = []
  for (const endpoint of endpoints(options)) {
    let runtime: Runtime | null = null
    try {
      runtime = await connect(endpoint, options)
      const fact = await visit(runtime)
      const elsewhere = fact.state === 'unknown' && ['POD_NOT_ON_NODE', 'POD_NOT_RUNNING'].includes(fact.code)
      if (!elsewhere) return { settled: fact, misses, failures }
      misses.push(fact)
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error
      // once a runtime was reached, what goes wrong with the pod itself is the answer
      if (runtime !== null && error.code !== 'RUNTIME_UNAVAILABLE')
        return { settled: toUnknown(error), misses, failures }
      failures.push(error)
    } finally {
      runtime?.close()
    }
  }
  return { settled: null, misses, failures }
}

const isBroken = ({ trouble }: RuntimeError): boolean => trouble === 'broken'

async function locate(
  runtime: Runtime,
  sandbox: Sandbox,
  query: PodQuery,
  options: LookupOptions,
): Promise<Fact<LocatedPod>> {
  const { procRoot = PROC, nodeNetns, nodeNetnsPath } = options
  const pod = `${sandbox.namespace}/${sandbox.name}`
  const details = await runtime.details(sandbox)
  if (saysSandboxed(details)) throw sandboxed(pod, details)
  const where = { procRoot, nodeNetns, nodeNetnsPath, pod, uid: sandbox.uid }
  const found = await sandboxNamespace(details, () => runtime.containerPids(sandbox), where)
  const hostNetwork = details.hostNetwork ?? found.inode === nodeNetns
  const view = found.pid === null || hostNetwork ? null : viewNamespace(procRoot, found.pid)
  if (view !== null && looksSandboxed(view, details)) throw sandboxed(pod, details)
  return {
    state: 'known',
    value: {
      namespace: sandbox.namespace,
      name: sandbox.name,
      uid: sandbox.uid,
      addresses: firstOf(details.addresses, query.addresses, view?.addresses ?? []),
      hostNetwork,
      netnsPath: found.path,
      netns: found.inode,
      pid: found.pid,
      foundBy: runtime.title,
      runtimeHandler: details.runtimeHandler,
      labels: sandbox.labels,
    },
  }
}

/** What the processes tell, under the names of the query. */
function scan(query: PodQuery, { procRoot = PROC, nodeNetns, nodeNetnsPath }: LookupOptions): Fact<LocatedPod> {
  const pod = describe(query)
  const scanned = scanForPod(query, pod, procRoot, nodeNetns)
  if (scanned.state !== 'known') return scanned
  const { uid, pid, hostNetwork, addresses } = scanned.value
  const details: SandboxDetails = {
    pid,
    netnsPath: null,
    hostNetwork,
    addresses,
    runtimeHandler: null,
    runtimeType: null,
  }
  const view = hostNetwork ? null : viewNamespace(procRoot, pid)
  if (view !== null && looksSandboxed(view, details)) return toUnknown(sandboxed(pod, details))
  const place = hostNetwork
    ? nodeNamespace({ nodeNetns, nodeNetnsPath })
    : { path: scanned.value.netnsPath, inode: scanned.value.netns }
  return {
    state: 'known',
    value: {
      namespace: query.namespace ?? '',
      name: query.name ?? query.prefix ?? '',
      uid,
      addresses: firstOf(query.addresses, hostNetwork ? [] : addresses),
      hostNetwork,
      netnsPath: place.path,
      netns: place.inode,
      pid,
      foundBy: `cgroup scan of ${procRoot}`,
      runtimeHandler: null,
      labels: {},
    },
  }
}

const firstOf = (...lists: readonly (readonly string[])[]): readonly string[] =>
  lists.find((list) => list.length > 0) ?? []

function noRuntime(failures: readonly RuntimeError[]): Unknown {
  const [first, ...others] = failures
  if (first === undefined) {
    return unknown(
      'RUNTIME_UNAVAILABLE',
      'no container runtime socket is in any of the usual places',
      "Name the kubelet's runtime: CONTAINER_RUNTIME_ENDPOINT=unix:///path. In a container, mount its socket.",
    )
  }
  const code = others.every((other) => other.code === first.code) ? first.code : 'RUNTIME_UNAVAILABLE'
  return unknown(code, failures.map(({ message }) => message).join('; '), first.hint)
}
