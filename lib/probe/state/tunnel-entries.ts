/** Whether the tunnel device knows the other end of every other node: neighbour and forwarding entry. Pure. */
import type { LinkState, NamespaceState } from '../../state.ts'
import type { ClusterNode, Family } from '../../types.ts'
import { type ClusterView, entriesOf, keptTunnels, type OtherRange, otherRanges } from './other-nodes.ts'
import { fine, listed, notApplicable, type StateVerdict, table } from './verdict.ts'

/** What a packet to one range is sent to: the gateway's hardware address, and where the tunnel takes it. */
interface TunnelEnd {
  readonly node: ClusterNode
  readonly range: string
  readonly device: string
  readonly gateway: string
  readonly mac: string | null
  readonly destinations: readonly string[]
  readonly trouble: { readonly code: 'TUNNEL_ENTRY_MISSING' | 'TUNNEL_ENTRY_WRONG'; readonly why: string } | null
}

/**
 * Applies to VXLAN devices whose entries a program keeps (learning off), for ranges that a route sends to a gateway on them: the
 * gateway's neighbour entry gives a hardware address, the forwarding entry of that the node's own address.
 * Codes: TUNNEL_ENTRY_MISSING, TUNNEL_ENTRY_WRONG.
 */
export function judgeTunnelEntries(state: NamespaceState, view: ClusterView, family: Family): StateVerdict {
  const tunnels = keptTunnels(state)
  const ends = otherRanges(state, view, family).flatMap((range) => endsOf(state, view, tunnels, range))
  if (ends.length === 0)
    return notApplicable(
      `other nodes' IPv${family} pod ranges behind a VXLAN device whose entries are kept by a program`,
      tunnels.length === 0
        ? 'there is no such device'
        : `no route to such a range leads to ${listed(tunnels.map(({ name }) => name))}`,
    )
  const evidence = table(
    'tunnel ends of other nodes',
    ['node', 'range', 'gateway', 'hardware address', 'sent to', 'the node’s addresses'],
    ends.map(({ node, range, gateway, device, mac, destinations }) => [
      ...[node.name, range, `${gateway} on ${device}`, mac ?? 'none', destinations.join(', ') || 'nobody'],
      node.addresses.join(', '),
    ]),
  )
  const bad = ends.filter(({ trouble }) => trouble !== null)
  const [first] = bad
  if (!first?.trouble) return fine(`the tunnel knows ${ends.length} pod ranges of other nodes`, evidence)
  const { gateway, device, mac } = first
  return {
    is: 'broken',
    code: first.trouble.code,
    nodes: bad.map(({ node }) => node),
    detail: `packets to the pods of ${listed(bad.map(({ node, range, trouble }) => `${node.name} (${range}) are lost: ${trouble?.why}`))}`,
    hint: `Look at \`ip neigh show ${gateway} dev ${device}\` and \`bridge fdb show dev ${device}${mac ? ` | grep ${mac}` : ''}\`; the CNI’s agent on this node writes both: restart its pod and read its log (\`kubectl get pods -A -o wide --field-selector spec.nodeName=<node>\`).`,
    evidence,
  }
}

function endsOf(
  state: NamespaceState,
  view: ClusterView,
  tunnels: readonly LinkState[],
  { node, range, ways }: OtherRange,
): TunnelEnd[] {
  return ways.flatMap(({ device, gateway, type }) => {
    const tunnel = tunnels.find(({ name }) => name === device)
    if (!tunnel || gateway === null || type !== 'unicast') return []
    const neighbour = state.neighbours.find((one) => one.device === tunnel.name && one.address === gateway)
    const mac = neighbour && !UNRESOLVED.has(neighbour.state) ? neighbour.mac : null
    const entries = entriesOf(state, tunnel.name)
    const destinations = entries.flatMap((entry) => (entry.mac === mac && entry.destination ? [entry.destination] : []))
    const end = { node, range, device: tunnel.name, gateway, mac, destinations }
    return [{ ...end, trouble: troubleOf(end, entries, tunnel, view) }]
  })
}

const UNRESOLVED: ReadonlySet<string> = new Set(['FAILED', 'INCOMPLETE', 'NONE'])
/** Entries of this address are for what no other matches. */
const FLOODS = '00:00:00:00:00:00'

function troubleOf(
  { node, device, gateway, mac, destinations }: Omit<TunnelEnd, 'trouble'>,
  entries: readonly { readonly mac: string; readonly destination: string | null }[],
  tunnel: LinkState,
  view: ClusterView,
): TunnelEnd['trouble'] {
  if (mac === null) return { code: 'TUNNEL_ENTRY_MISSING', why: `${device} has no neighbour entry for ${gateway}` }
  if (destinations.length === 0) {
    if (entries.some((entry) => entry.mac === FLOODS)) return null
    const other = entries.find(({ destination }) => destination !== null && node.addresses.includes(destination))
    if (other)
      return {
        code: 'TUNNEL_ENTRY_WRONG',
        why: `the neighbour entry of ${gateway} says ${mac}, but ${device} knows the node as ${other.mac}`,
      }
    return { code: 'TUNNEL_ENTRY_MISSING', why: `${device} has no forwarding entry for ${mac}` }
  }
  if (destinations.some((one) => node.addresses.includes(one)) || !usesKnownAddresses(tunnel, destinations, view))
    return null
  return {
    code: 'TUNNEL_ENTRY_WRONG',
    why: `${device} sends them to ${destinations.join(', ')}, which is not the node’s address`,
  }
}

/** Tunnels may run over addresses that the API does not know: then only another node's address is certainly wrong. */
function usesKnownAddresses(tunnel: LinkState, destinations: readonly string[], { self, nodes }: ClusterView): boolean {
  const local = tunnel.vxlan?.local ?? null
  const known = new Set([...self.addresses, ...nodes.flatMap(({ addresses }) => addresses)])
  return (local !== null && self.addresses.includes(local)) || destinations.some((one) => known.has(one))
}
