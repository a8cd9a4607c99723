/** The default gateway of the namespace that asks. Its neighbour entry decides; many gateways never answer a ping. */
import { addressOf, familyName, given, needed } from '../fact.ts'
import { Inconclusive } from '../failure.ts'
import { localAddresses } from '../node/links.ts'
import { defaultRoutes, type Route } from '../node/routes.ts'
import { echo } from '../probe/icmp.ts'
import { allOf } from '../probe/judge.ts'
import { type ResolvedGateway, resolveGateway } from '../probe/neighbour.ts'
import type { Evidence, Family, Outcome, Place, Plan, Target } from '../types.ts'
import { echoAnswer } from './answers.ts'
import { families, question } from './question.ts'

export interface GatewayAnswer {
  readonly targets: readonly Target[]
  readonly gateway: Outcome<void>
}

/** Every next hop of the best default route; a family in which the namespace has no address does not apply. */
export const defaultGateway = question('both', families, async (plan, { family }, place): Promise<GatewayAnswer> => {
  await needsFamily(plan, place, family)
  const read = await defaultRoutes(family)
  if (!read.ok) throw new Inconclusive(read.code, read.detail)
  const best = read.value.filter((route) => route.metric === read.value[0]?.metric)
  if (best.length === 0) return { targets: [], gateway: await withoutRoute(plan, place, family) }
  const targets = best.flatMap((route) => targetOf(route, family))
  const [resolved, pings] = await Promise.all([
    Promise.all(best.map((route) => resolveGateway(route))),
    pingEvidence(plan, targets),
  ])
  return { targets, gateway: joined(best, resolved, pings) }
})

/**
 * Not applicable where the asking side has no address of the family. With one, a missing default route is the fault.
 * A node counts by its InternalIPs: an address of a family that the cluster does not use needs no way out.
 */
async function needsFamily(plan: Plan, place: Place, family: Family): Promise<void> {
  const declared =
    place === 'pod' && !given(plan.source).hostNetwork ? given(plan.source).addresses : plan.node.internalIPs
  const own = declared.length > 0 ? declared : await globalAddresses()
  needed(addressOf(own, family), `an ${familyName(family)} address`, `the ${place} has ${own.join(', ') || 'none'}`)
}

async function globalAddresses(): Promise<string[]> {
  const read = await localAddresses()
  if (!read.ok) throw new Inconclusive(read.code, read.detail)
  return read.value.filter(({ scope }) => scope === 'global').map(({ address }) => address)
}

/**
 * A fault; but a node whose InternalIPs are not known may hold addresses that need no way out (a bridge's, a second
 * family's): there the other family's default route leaves the question open.
 */
async function withoutRoute(plan: Plan, place: Place, family: Family): Promise<Outcome<void>> {
  const detail = `there is no ${familyName(family)} default route`
  const fault: Outcome<void> = { ok: false, code: 'NO_DEFAULT_ROUTE', detail, evidence: [] }
  if (place === 'pod' || plan.node.internalIPs.length > 0) return fault
  const other = await defaultRoutes(family === 4 ? 6 : 4)
  if (!other.ok || other.value.length === 0) return fault
  const doubt = `${detail}; whether the node needs one, its InternalIPs would tell, and they are not known`
  return { ok: false, code: 'NODE_NOT_FOUND', detail: doubt, evidence: [] }
}

function targetOf({ gateway, device }: Route, family: Family): Target[] {
  if (gateway === null || gateway.includes(':') !== (family === 6)) return []
  // an IPv6 link-local address means nothing without its interface
  const address = gateway.startsWith('fe80:') ? `${gateway}%${device}` : gateway
  return [{ role: 'the default gateway', name: gateway, address, family, protocol: 'icmp' }]
}

async function pingEvidence(plan: Plan, targets: readonly Target[]): Promise<Evidence[]> {
  if (targets.length === 0) return []
  const results = await echo(targets, { probes: Math.min(plan.probes, 2), intervalMs: 5, timeoutMs: 200 })
  return results.map((result) => ({
    kind: 'scalar',
    name: `ping ${result.target.name}`,
    value: echoAnswer(result).said,
  }))
}

function joined(
  routes: readonly Route[],
  outcomes: readonly Outcome<ResolvedGateway>[],
  pings: readonly Evidence[],
): Outcome<void> {
  const evidence = [...outcomes.flatMap((outcome) => outcome.evidence), ...pings]
  // a next hop that is proven dead is not hidden by another of which nothing is known
  const judged = allOf(outcomes.map((outcome) => (outcome.ok ? { ...outcome, value: undefined } : outcome)))
  if (!judged.ok) return { ...judged, evidence }
  const told = outcomes.map((outcome, index) => describe(routes[index] as Route, outcome))
  return { ok: true, value: undefined, detail: told.join('; '), evidence }
}

const HOW: Record<ResolvedGateway['how'], string> = {
  answered: 'answered ARP or NDP',
  static: 'has a permanent neighbour entry',
  'no-neighbours': 'needs no resolution',
  'no-gateway': 'is the link itself',
}

function describe({ gateway, device }: Route, outcome: Outcome<ResolvedGateway>): string {
  const name = gateway ? `${gateway} on ${device}` : `the default route on ${device}`
  return outcome.ok ? `${name} ${HOW[outcome.value.how]}` : name
}
