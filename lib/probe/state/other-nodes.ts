/** The pod ranges of the other nodes, and what this node's tables say about the way to each. Pure. */
import { isHost, type Prefix, parsePrefix, same } from '../../packet/prefix.ts'
import type { FdbState, LinkState, NamespaceState } from '../../state.ts'
import type { ClusterNode, Family } from '../../types.ts'
import { type Way, waysOf } from './pods-here.ts'

/** One pod range of another node, with the routes that name exactly this range. */
export interface OtherRange {
  readonly node: ClusterNode
  readonly range: string
  readonly prefix: Prefix
  readonly ways: readonly Way[]
}

/** This node and the others, as the API knows them. */
export interface ClusterView {
  readonly self: { readonly name: string; readonly podCIDRs: readonly string[]; readonly addresses: readonly string[] }
  readonly nodes: readonly ClusterNode[]
}

/** Ranges of a family of the other nodes that are Ready and run pods. */
export function otherRanges(state: NamespaceState, { self, nodes }: ClusterView, family: Family): OtherRange[] {
  const ways = waysOf(state, family)
  const byRange = grouped(ways, ({ prefix }) => keyOf(prefix))
  return nodes
    .filter(({ name, ready, runsPods }) => name !== self.name && ready && runsPods)
    .flatMap((node) =>
      node.podCIDRs.flatMap((range) => {
        const prefix = parsePrefix(range)
        if (prefix?.family !== family) return []
        return [{ node, range, prefix, ways: byRange.get(keyOf(prefix)) ?? [] }]
      }),
    )
}

export function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}

const keyOf = ({ bits, length }: Prefix): string => `${bits}/${length}`

/** VXLAN devices whose forwarding entries a program keeps, as flannel's and Calico's: what is not written is not reached. */
export const keptTunnels = ({ links }: NamespaceState): LinkState[] =>
  links.filter(({ vxlan }) => vxlan !== null && !vxlan.learning)

export const entriesOf = ({ fdb }: NamespaceState, device: string): FdbState[] =>
  fdb.filter((entry) => entry.device === device && entry.destination !== null)

/**
 * Whether pods' addresses come from the Node objects' ranges and the overlay is flannel's kind: the own range is on a bridge or
 * is the tunnel's own inner address, and the tunnel device knows another node. Calico's addresses come from blocks of its own.
 */
export function overlayOfRanges(state: NamespaceState, view: ClusterView, family: Family): boolean {
  const own = view.self.podCIDRs
    .flatMap((range) => parsePrefix(range) ?? [])
    .filter((prefix) => prefix.family === family)
  const others = new Set(view.nodes.flatMap(({ name, addresses }) => (name === view.self.name ? [] : addresses)))
  const tunnels = keptTunnels(state).filter(({ name }) =>
    entriesOf(state, name).some(({ destination }) => destination !== null && others.has(destination)),
  )
  if (tunnels.length === 0) return false
  const isBridge = (device: string | null) => state.links.some(({ name, kind }) => name === device && kind === 'bridge')
  const onBridge = waysOf(state, family).some(
    ({ prefix, gateway, device, type }) =>
      type === 'unicast' && gateway === null && isBridge(device) && own.some((range) => same(range, prefix)),
  )
  const onTunnel = state.addresses.some(({ device, address }) => {
    const inner = parsePrefix(address)
    return (
      tunnels.some(({ name }) => name === device) &&
      inner !== null &&
      isHost(inner) &&
      own.some((range) => range.bits === inner.bits)
    )
  })
  return onBridge || onTunnel
}
