/** What a node's state is remembered by, for a later comparison. Names are the same in every run: what comes and goes with pods is left out. Pure. */
import type { NodeServices } from '../../node/services/rules.ts'
import type { LinkState, NamespaceState, RouteState } from '../../state.ts'
import type { StateFact } from '../../types.ts'

/** Above this many routes only their number is kept: a route a node, in a large cluster. */
const MOST_ROUTES = 100

/** Sysctls, MTUs and routes of a node's network namespace. A veth is an end of a pod's pair, unless it is the way out (a node that is a container). */
export function stateFacts({ links, routes, sysctls }: NamespaceState): StateFact[] {
  const uplinks = new Set(routes.flatMap(({ destination, device }) => (destination === 'default' ? [device] : [])))
  const isPods = ({ kind, name }: LinkState) => kind === 'veth' && !uplinks.has(name)
  const lasting = links.filter((link) => !isPods(link) && link.name !== 'lo')
  const named = new Set(['all', 'default', ...lasting.map(({ name }) => name)])
  const kept = Object.entries(sysctls).filter(([path]) => {
    const device = /^ipv[46]\/conf\/(.+)\/[^/]+$/.exec(path)?.[1]
    return !path.endsWith('nf_conntrack_count') && (device === undefined || named.has(device))
  })
  const ofPods = [...new Set(links.filter(isPods).map(({ mtu }) => mtu))].sort((a, b) => a - b)
  return [
    ...kept.map(([path, value]): StateFact => ({ topic: 'sysctl', name: path, value })),
    ...lasting.map(({ name, mtu }): StateFact => ({ topic: 'mtu', name, value: mtu })),
    ...(ofPods.length > 0 ? [{ topic: 'mtu' as const, name: 'veth interfaces', value: ofPods.join(', ') }] : []),
    ...routeFacts(routes),
  ]
}

/** The main table's, but those to single addresses: pods' own. Next hops of one destination stand together. */
function routeFacts(routes: readonly RouteState[]): StateFact[] {
  const found = new Map<string, string[]>()
  for (const route of routes) {
    const { destination, table, family } = route
    if (table !== 'main' || isSingle(destination) || /^(?:fe80|ff)/.test(destination)) continue
    const name = destination === 'default' ? `default, IPv${family}` : destination
    found.set(name, [...(found.get(name) ?? []), said(route)])
  }
  const count: StateFact = { topic: 'route', name: 'routes of the main table', value: found.size }
  if (found.size > MOST_ROUTES) return [count]
  return [
    count,
    ...[...found].map(([name, ways]): StateFact => ({ topic: 'route', name, value: ways.sort().join(' + ') })),
  ]
}

const isSingle = (destination: string): boolean =>
  destination !== 'default' && (!destination.includes('/') || /\/(?:32|128)$/.test(destination))

const said = ({ type, gateway, device }: RouteState): string =>
  [
    ...(type === 'unicast' ? [] : [type]),
    ...(gateway === null ? [] : [`via ${gateway}`]),
    ...(device === null ? [] : [`dev ${device}`]),
  ].join(' ')

/** Who serves the services on a node, and how many rules it has for that. */
export function serviceFacts({ proxies, replacement, counts }: NodeServices): StateFact[] {
  const modes = [...new Set(proxies.map(({ mode }) => mode))].sort().join(', ')
  return [
    { topic: 'kube-proxy', name: 'mode of kube-proxy', value: modes || 'no rules of it' },
    { topic: 'kube-proxy', name: 'in its place or beside it', value: replacement ?? 'nothing that is known' },
    ...counts.map(
      ({ family, mode, rules }): StateFact => ({
        topic: 'rules',
        name: `kube-proxy's ${mode === 'iptables' ? 'iptables rules' : `${mode} service entries`}, IPv${family}`,
        value: rules,
      }),
    ),
  ]
}
