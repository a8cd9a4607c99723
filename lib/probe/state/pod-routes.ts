/** Whether this node has a route to the pod range of every other node, where its CNI makes such routes. Pure. */
import { covers, parsePrefix } from '../../packet/prefix.ts'
import type { LinkState, NamespaceState } from '../../state.ts'
import type { Family } from '../../types.ts'
import { type ClusterView, grouped, type OtherRange, otherRanges, overlayOfRanges } from './other-nodes.ts'
import { type Way, waysOf } from './pods-here.ts'
import { fine, listed, notApplicable, type StateVerdict, table } from './verdict.ts'

/**
 * Applies where a route names at least one other node's range, or flannel's kind of overlay is there. Elsewhere the network beyond
 * this node knows the way (cloud routes, BGP), or pods' addresses are not from the Node objects (Calico's own blocks).
 * A missing route counts only where the others go through a tunnel, or the node is a neighbour on the same link: routers may know
 * the way to the rest. Codes: POD_ROUTE_MISSING, POD_ROUTE_WRONG.
 */
export function judgePodRoutes(state: NamespaceState, view: ClusterView, family: Family): StateVerdict {
  const ranges = otherRanges(state, view, family)
  if (ranges.length === 0) return notApplicable(`other Ready nodes with an IPv${family} pod range`, 'there is none')
  const overlay = overlayOfRanges(state, view, family)
  const routed = ranges.filter(({ ways }) => ways.length > 0)
  if (!overlay && routed.length === 0)
    return notApplicable(
      `a CNI that routes each node's IPv${family} pod range`,
      `none of ${ranges.length} ranges has a route of its own: the network beyond the node knows the way, or addresses are not from the Node objects`,
    )
  const tunnelled = overlay || routed.some(({ ways }) => ways.some((way) => isTunnel(linkOf(state, way))))
  const isExpected = (range: OtherRange) => tunnelled || isOnSameLink(state, range, family)
  const missing = ranges.filter(
    (range) => range.ways.length === 0 && !isCovered(state, range, family) && isExpected(range),
  )
  const wrong = ranges.flatMap((range) => {
    const why = whyWrong(state, range, family)
    return why === null ? [] : [{ ...range, why }]
  })
  const evidence = table(
    'routes to the pod ranges of other nodes',
    ['node', 'range', 'route'],
    ranges.map(({ node, range, ways }) => [node.name, range, ways.map(tell).join(', ') || 'none']),
  )
  if (wrong.length > 0) return wrongRoute(wrong, family, evidence)
  if (missing.length > 0) return missingRoute(missing, family, evidence)
  return fine(`${routed.length} pod ranges of other nodes have a route`, evidence)
}

const ASK_THE_CNI =
  'the CNI’s agent on this node writes these routes: restart its pod and read its log (`kubectl get pods -A -o wide --field-selector spec.nodeName=<node>`).'

function wrongRoute(
  wrong: readonly (OtherRange & { readonly why: string })[],
  family: Family,
  evidence: StateEvidence,
): StateVerdict {
  const [first] = wrong
  const ip = family === 4 ? 'ip' : 'ip -6'
  return {
    is: 'broken',
    code: 'POD_ROUTE_WRONG',
    nodes: wrong.map(({ node }) => node),
    detail: `the route to the pods of ${listed(wrong.map(({ node, range, why }) => `${node.name} (${range}) ${why}`))}`,
    hint: `Look at \`${ip} route show ${first?.range}\`, and take away what is not the CNI’s: \`${ip} route del ${first?.ways[0] ? tell(first.ways[0]) : first?.range}\`; ${ASK_THE_CNI}`,
    evidence,
  }
}

function missingRoute(missing: readonly OtherRange[], family: Family, evidence: StateEvidence): StateVerdict {
  const ip = family === 4 ? 'ip' : 'ip -6'
  return {
    is: 'broken',
    code: 'POD_ROUTE_MISSING',
    nodes: missing.map(({ node }) => node),
    detail: `there is no route to the pods of ${listed(missing.map(({ node, range }) => `${node.name} (${range})`))}`,
    hint: `Compare \`${ip} route\` with that of another node; ${ASK_THE_CNI}`,
    evidence,
  }
}

type StateEvidence = Extract<StateVerdict, { is: 'fine' }>['evidence']

const NOWHERE: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit'])
const TUNNELS: ReadonlySet<string> = new Set([
  ...['vxlan', 'geneve', 'ipip', 'sit', 'ip6tnl', 'gre', 'gretap', 'ip6gre', 'wireguard', 'tun'],
])

const linkOf = ({ links }: NamespaceState, { device }: Way): LinkState | undefined =>
  links.find(({ name }) => name === device)

const isTunnel = (link: LinkState | undefined): boolean => TUNNELS.has(link?.kind ?? '')

/** The best route that names the range: the smallest metric of the tables that hold one. */
function bestOf(ways: readonly Way[]): readonly Way[] {
  const least = Math.min(...ways.map(({ metric }) => metric))
  return ways.filter(({ metric }) => metric === least)
}

/** What is wrong with the way to a range, as it follows "the route to the pods of ..."; null: nothing that can be told. */
function whyWrong(state: NamespaceState, { ways, node }: OtherRange, family: Family): string | null {
  // another table may hold a route for a part of the packets: only what every table says is certain
  const tables = [...grouped(ways, ({ table }) => table).values()]
  const reasons = tables.map((inTable) => {
    const best = bestOf(inTable)
    const each = best.map((way) => whyWrongHop(state, way, node.addresses, family))
    return each.every((why) => why !== null) ? (each[0] ?? null) : null
  })
  return reasons.length > 0 && reasons.every((why) => why !== null) ? (reasons[0] ?? null) : null
}

function whyWrongHop(state: NamespaceState, way: Way, addresses: readonly string[], family: Family): string | null {
  if (NOWHERE.has(way.type)) return `is ${way.type}`
  if (way.type !== 'unicast') return null
  const link = linkOf(state, way)
  if (!link) return null
  if (way.flags.includes('dead') || !link.flags.includes('UP')) return `leads to ${link.name}, which is down`
  if (way.flags.includes('linkdown') || link.operstate === 'DOWN' || link.operstate === 'LOWERLAYERDOWN')
    return `leads to ${link.name}, which has no carrier`
  if (isTunnel(link) || (way.gateway !== null && addresses.includes(way.gateway))) return null
  if (link.flags.includes('LOOPBACK') || link.kind === 'dummy') return `leads to ${link.name}, which leads nowhere`
  const isPodsOwn = link.kind === 'bridge' && way.gateway === null
  if (isPodsOwn) return `leads to ${link.name}, where this node’s own pods are`
  // nobody on a link of machines answers for pods of another range
  const bare = way.gateway === null && hasNeighbours(link) && waysOf(state, family).some((one) => isOwnSubnet(one, way))
  return bare ? `leads to ${link.name} without a gateway` : null
}

const hasNeighbours = ({ flags, kind }: LinkState): boolean =>
  !flags.includes('NOARP') &&
  !flags.includes('POINTOPOINT') &&
  (kind === null || kind === 'veth' || kind === 'vlan' || kind === 'bond')

/** Another subnet of the device, which the kernel made with the device's address. */
const isOwnSubnet = (one: Way, way: Way): boolean =>
  one.device === way.device && one.gateway === null && one.prefix.bits !== way.prefix.bits && one.prefix.length > 0

/** A wider route leads there. */
const isCovered = (state: NamespaceState, { prefix }: OtherRange, family: Family): boolean =>
  waysOf(state, family).some((way) => way.type === 'unicast' && covers(way.prefix, prefix))

/** An address of the node is in a subnet of this one's: there is no router between them. */
function isOnSameLink(state: NamespaceState, { node }: OtherRange, family: Family): boolean {
  const direct = waysOf(state, family).filter(
    ({ gateway, type, device }) => gateway === null && type === 'unicast' && device !== null,
  )
  return node.addresses
    .flatMap((address) => parsePrefix(address) ?? [])
    .some((address) => direct.some(({ prefix }) => covers(prefix, address)))
}

/** As `ip route` writes it. */
function tell({ type, destination, gateway, device }: Way): string {
  const words = [
    type === 'unicast' ? '' : type,
    destination,
    gateway ? `via ${gateway}` : '',
    device ? `dev ${device}` : '',
  ]
  return words.filter(Boolean).join(' ')
}
