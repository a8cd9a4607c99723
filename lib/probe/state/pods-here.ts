/** Where the packets of this node's pods enter its network stack. Pure. */
import { covers, isHost, overlaps, type Prefix, parsePrefix } from '../../packet/prefix.ts'
import type { LinkState, NamespaceState, RouteState } from '../../state.ts'
import type { Family } from '../../types.ts'

/** What is known of the pods of this node. */
export interface PodsHere {
  /** Ranges that the Node object reserves for them. */
  readonly ranges: readonly string[]
  /** Addresses of some of them. */
  readonly addresses: readonly string[]
}

/** A route that leads to other machines or pods, with its destination read. */
export interface Way extends RouteState {
  readonly prefix: Prefix
}

/** Routes of a family to somewhere, default routes left out, of every table but the kernel's own. */
export function waysOf({ routes }: NamespaceState, family: Family): Way[] {
  return routes.flatMap((route) => {
    if (route.family !== family || route.table === 'local' || route.destination === 'default') return []
    const prefix = parsePrefix(route.destination)
    return prefix === null || prefix.length === 0 ? [] : [{ ...route, prefix }]
  })
}

/** A veth of which the other end is in another network namespace. */
const leadsElsewhere = ({ kind, peerName }: LinkState): boolean => kind === 'veth' && peerName === null

const prefixesOf = (texts: readonly string[], family: Family): Prefix[] =>
  texts.flatMap((text) => parsePrefix(text) ?? []).filter((prefix) => prefix.family === family)

/**
 * Devices that hand the packets of this node's pods to its IP stack: a bridge that routes to its pods (bridge plug-in, flannel),
 * or each pod's own veth with a route to it (Calico, ptp, kindnet, AWS VPC CNI). Empty where pods do not come in that way (Open
 * vSwitch, Cilium's own datapath), or none is known.
 */
export function podDevices(state: NamespaceState, pods: PodsHere, family: Family): LinkState[] {
  const known = [...prefixesOf(pods.ranges, family), ...prefixesOf(pods.addresses, family)]
  const ways = waysOf(state, family).filter(({ type }) => type === 'unicast')
  return state.links.filter((link) => {
    const own = ways.filter(({ device, gateway }) => device === link.name && gateway === null)
    if (link.kind === 'bridge') return own.some(({ prefix }) => known.some((one) => overlaps(one, prefix)))
    return (
      leadsElsewhere(link) && link.master === null && own.some(({ prefix }) => isHost(prefix) && !isLinkLocal(prefix))
    )
  })
}

const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'].flatMap((text) => parsePrefix(text) ?? [])
const isLinkLocal = (prefix: Prefix): boolean => LINK_LOCAL.some((outer) => covers(outer, prefix))

/** Devices of the default routes in the main table. */
export const uplinks = ({ routes }: NamespaceState, family: Family): string[] => [
  ...new Set(
    routes.flatMap(({ family: of, table, destination, type, device }) =>
      of === family && table === 'main' && destination === 'default' && type === 'unicast' ? (device ?? []) : [],
    ),
  ),
]

/** "net.ipv4.conf.eth0/100.forwarding": a dot in a device's name is written as a slash (sysctl(8)). */
export const sysctlName = (path: string): string =>
  `net.${path
    .split('/')
    .map((part) => part.replaceAll('.', '/'))
    .join('.')}`
