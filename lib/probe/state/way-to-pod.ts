/** By which of the node's interfaces packets of its pods leave for a pod on another node. Pure. */
import { covers, parsePrefix } from '../../packet/prefix.ts'
import type { LinkState, NamespaceState } from '../../state.ts'
import type { Evidence, Family } from '../../types.ts'
import { waysOf } from './pods-here.ts'
import { table } from './verdict.ts'

const PLAIN_TABLES: ReadonlySet<string> = new Set(['local', 'main', 'default'])

/**
 * The interfaces as a table, in the order of travel: the one that the route to `address` names, and, where that is a tunnel, the one
 * that its packets leave by. Empty where the tables alone do not say it: rules for some packets, no route, a route that names no interface.
 */
export function wayToPod(state: NamespaceState, address: string): Evidence[] {
  const first = routedLink(state, address)
  if (first === null) return []
  const lower = first.vxlan === null ? null : lowerLink(state, first)
  return table(
    'way to the pod on another node',
    ['interface', 'kind', 'state', 'MTU'],
    [first, lower].flatMap((link) => (link === null ? [] : [[link.name, link.kind ?? '', link.operstate, link.mtu]])),
  )
}

function routedLink(state: NamespaceState, address: string): LinkState | null {
  const target = parsePrefix(address)
  if (target === null || hasOwnRules(state, target.family)) return null
  const ways = [
    ...waysOf(state, target.family).filter(({ prefix }) => covers(prefix, target)),
    ...state.routes
      .filter(({ family, destination }) => family === target.family && destination === 'default')
      .map((route) => ({ ...route, prefix: { ...target, length: 0 } })),
  ]
  const [best] = ways
    .filter(({ table: of }) => of === 'main')
    .sort((a, b) => b.prefix.length - a.prefix.length || a.metric - b.metric)
  return best?.type === 'unicast' ? linkNamed(state, best.device) : null
}

const hasOwnRules = ({ rules }: NamespaceState, of: Family): boolean =>
  rules.some(({ family, table: name }) => family === of && (name === null || !PLAIN_TABLES.has(name)))

/** The device that a VXLAN device is bound to, else the one that holds the address its packets come from. */
function lowerLink(state: NamespaceState, { vxlan }: LinkState): LinkState | null {
  const holder = state.addresses.find(({ address }) => address === vxlan?.local)
  return linkNamed(state, vxlan?.device ?? holder?.device ?? null)
}

const linkNamed = ({ links }: NamespaceState, name: string | null): LinkState | null =>
  links.find((link) => link.name === name) ?? null
