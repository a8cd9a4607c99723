/** How full the ranges are from which this node gives its pods addresses: by leases where there are some, else by the pods. */
import { accessSync } from 'node:fs'
import type { NodeObject, PodObject } from './kube/index.ts'
import { type LeaseDirectory, leakedLeases, readLeases, USUAL_LEASES } from './node/leases.ts'
import { parsePrefix } from './packet/prefix.ts'
import { poolSize, rangeHolds } from './packet/range.ts'
import { type LookupOptions, sandboxIds } from './runtime/index.ts'
import type { Settings } from './settings.ts'
import type { AddressPool, Fact, Family } from './types.ts'

/** From here on it matters how many leases are leaked: then the runtime is asked for its sandboxes. */
const ASK_FOR_LEAKS = 0.5
/** So many of the pods' addresses must be leased there: what another CNI left behind holds some by chance. */
const LEASED = 0.9

export interface PoolFacts {
  readonly node: Fact<NodeObject>
  /** Pods of this node. */
  readonly pods: Fact<readonly PodObject[]>
}

/** One pool for each of the node's ranges. Absent where the ranges of the Node object are not what its pods have their addresses from. */
export async function addressPools(
  { node, pods }: PoolFacts,
  settings: Settings,
  lookup: LookupOptions,
): Promise<Fact<readonly AddressPool[]>> {
  if (node.state !== 'known') return node
  if (pods.state === 'unknown' && pods.code === 'API_FORBIDDEN')
    return absent('the list of pods on this node', 'the account may not read it')
  if (pods.state !== 'known') return pods
  const ranges = node.value.podCIDRs
  if (ranges.length === 0) return absent('a range for pods on the Node object', 'it has none')
  const root = fileSystemOfNode(settings.nodeNetns)
  const directories = readLeases(root, settings.leasesDir === null ? USUAL_LEASES : [settings.leasesDir])
  const addresses = pods.value.filter(holdsAddress).flatMap((pod) => pod.addresses)
  const pools = ranges.flatMap((range) => poolOf(range, addresses, directories) ?? [])
  if (pools.length === 0)
    return absent('pods with addresses of the Node object’s range', `none of those here is in ${ranges.join(', ')}`)
  return { state: 'known', value: await withLeaks(pools, root, directories, lookup) }
}

const holdsAddress = ({ hostNetwork, terminating, phase }: PodObject): boolean =>
  !hostNetwork && !terminating && phase === 'Running'

/** Pure. null: the pods' addresses are not of the range. */
export function poolOf(
  range: string,
  addresses: readonly string[],
  directories: readonly LeaseDirectory[],
): AddressPool | null {
  const prefix = parsePrefix(range)
  if (prefix === null) return null
  const family: Family = prefix.family
  const ofFamily = addresses.filter((address) => parsePrefix(address)?.family === family)
  const inRange = ofFamily.filter((address) => rangeHolds(prefix, address))
  if (inRange.length === 0) return null
  const size = poolSize(prefix)
  const live = directories.find((directory) => {
    const leased = new Set(directory.addresses)
    return inRange.filter((address) => leased.has(address)).length >= inRange.length * LEASED
  })
  const common = { family, range, size, leaked: null }
  if (live) {
    const used = live.addresses.filter((address) => rangeHolds(prefix, address)).length
    return { ...common, used, directory: live.path }
  }
  return inRange.length === ofFamily.length ? { ...common, used: inRange.length, directory: null } : null
}

async function withLeaks(
  pools: readonly AddressPool[],
  root: string,
  directories: readonly LeaseDirectory[],
  lookup: LookupOptions,
): Promise<AddressPool[]> {
  if (!pools.some(({ used, size, directory }) => directory !== null && used > size * ASK_FOR_LEAKS)) return [...pools]
  const sandboxes = await sandboxIds(lookup)
  if (sandboxes.state !== 'known') return [...pools]
  const ids = new Set(sandboxes.value)
  return pools.map((pool) => {
    const directory = directories.find(({ path }) => path === pool.directory)
    const prefix = parsePrefix(pool.range)
    if (!directory || !prefix) return pool
    return {
      ...pool,
      leaked: leakedLeases(root, directory, ids).filter((address) => rangeHolds(prefix, address)).length,
    }
  })
}

/** In a container the node's files are those of its first process, or of the process that NODE_NETNS names; else they are ours. */
export function fileSystemOfNode(nodeNetns: string | null): string {
  const named = /^(.*\/proc\/\d+)\/ns\/net$/.exec(nodeNetns ?? '')?.[1]
  const root = `${named ?? '/proc/1'}/root`
  try {
    accessSync(`${root}/`)
    return root
  } catch {
    return ''
  }
}

const absent = (need: string, finding: string): Fact<never> => ({ state: 'absent', need, finding })
