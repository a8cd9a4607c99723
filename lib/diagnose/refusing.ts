/** Which entry of a namespace's routing refuses a packet: pure. `ip route get` tells only the errno where the packet comes from elsewhere. */
import type { NamespaceState, RouteState, RuleState } from '../state.ts'
import type { Family } from '../types.ts'
import { addressNumber, addressRange } from './firewall/packet.ts'

/** An entry, as iproute2 names it, and the command that deletes it. */
export interface Refusing {
  readonly entry: string
  readonly remove: string
}

const REFUSE: ReadonlySet<string> = new Set(['unreachable', 'prohibit', 'blackhole'])
/** The kernel's own last IPv6 entry, which refuses what no other one takes. */
const LAST_METRIC = 0xffffffff

/** The policy rule, else the most specific route of the main table, that refuses; null: none, or not for sure. */
export function refusing(
  state: NamespaceState | undefined,
  packet: { readonly family: Family; readonly source: string | null; readonly destination: string },
): Refusing | null {
  if (!state) return null
  const ip = packet.family === 6 ? 'ip -6' : 'ip'
  const rule = state.rules.find((one) => one.family === packet.family && one.action !== null && selects(one, packet))
  if (rule)
    return { entry: `rule ${rule.priority} (${rule.action})`, remove: `${ip} rule del priority ${rule.priority}` }
  const [route] = state.routes
    .filter((one) => one.family === packet.family && one.table === 'main' && holds(one.destination, packet.destination))
    .toSorted((a, b) => lengthOf(b) - lengthOf(a) || a.metric - b.metric)
  if (!route || !REFUSE.has(route.type) || route.metric === LAST_METRIC) return null
  const metric = route.metric > 0 ? ` metric ${route.metric}` : ''
  return {
    entry: `${route.type} ${route.destination}`,
    remove: `${ip} route del ${route.type} ${route.destination}${metric}`,
  }
}

/** Only what is known to match: a rule that asks for a mark or an interface is not guessed. */
const selects = ({ selector }: RuleState, { source, destination }: Parameters<typeof refusing>[1]): boolean =>
  Object.entries(selector).every(([on, value]) =>
    on === 'src' ? source !== null && holds(value, source) : on === 'dst' && holds(value, destination),
  )

function holds(prefix: string, address: string): boolean {
  if (prefix === 'default') return true
  const range = addressRange(prefix)
  const value = addressNumber(address)
  return range !== null && value !== null && value >= range[0] && value <= range[1]
}

/** Bits of the prefix; a host's route has none written. */
const lengthOf = ({ destination }: RouteState): number =>
  destination === 'default' ? -1 : Number(destination.split('/')[1] ?? 128)
