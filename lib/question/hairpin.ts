/** A pod that asks its own service: the connections that come back to itself. */
import { addressOf, endpointTarget, familyName, given, needed, ofFamily } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import { nameOf } from '../probe/judge.ts'
import { connect } from '../probe/tcp.ts'
import type { Endpoint, Family, Outcome, Place, Plan, ServiceFacts, Source, Target } from '../types.ts'
import type { TcpAnswer } from './pod.ts'
import { families, question } from './question.ts'
import { askService, distinctAddresses } from './service.ts'
import { rulesOnNode } from './service-rules.ts'

/** A port of the service with the endpoints behind it: the source pod itself, and the rest. */
interface OwnPort {
  readonly port: number
  readonly self: Endpoint
  readonly others: readonly Endpoint[]
}

/** The first TCP port that the pod serves, by ClusterIP, so often that the pod meets itself with certainty. */
export const hairpin = question('pod', families, async (plan, { family }, place): Promise<TcpAnswer> => {
  const source = given(plan.source)
  if (source.hostNetwork)
    throw new NotApplicable('needs a pod with a network of its own, the source pod uses the host’s')
  const service = given(plan.ownService)
  const has = `${service.name} has ${service.clusterIPs.join(', ')}`
  const address = needed(addressOf(service.clusterIPs, family), `an ${familyName(family)} ClusterIP`, has)
  const serves = `a TCP port of a service that the source pod serves over ${familyName(family)}`
  const own = needed(ownPort(service, source, family, plan.node.name), serves, `${service.name} has none`)
  if (service.sessionAffinity && own.others.length > 0) {
    throw new NotApplicable(`needs to meet itself, ${service.name} has session affinity and other endpoints`)
  }
  const target: Target = {
    ...{ role: 'the source pod’s own service', name: service.name, address, family, protocol: 'tcp', port: own.port },
  }
  const outcome = await askService(plan, { family }, service, [own.self, ...own.others], [target])
  return { targets: [target], reached: outcome.ok ? outcome : await judged(plan, place, service, own, outcome) }
})

/** With internalTrafficPolicy Local only this node's endpoints are behind it. Pure. */
export function ownPort(
  { ports, endpoints, internalTrafficLocal }: ServiceFacts,
  { namespace, name }: Pick<Source, 'namespace' | 'name'>,
  family: Family,
  node: string,
): OwnPort | null {
  const ready = ofFamily(given(endpoints), family).filter(
    (one) => one.ready && one.protocol === 'tcp' && (!internalTrafficLocal || one.node === node),
  )
  for (const port of ports) {
    const behind = distinctAddresses(ready.filter(({ portName }) => portName === port.name))
    const self = behind.find(({ pod }) => pod === `${namespace}/${name}`)
    if (self) return { port: port.port, self, others: behind.filter((one) => one !== self) }
  }
  return null
}

/**
 * What failed is the way back to itself if the pod takes connections at its own address, all others do, and the node's rules
 * do send to it. A service that refuses, or that is silent altogether beside other endpoints, has another fault.
 */
async function judged(
  plan: Plan,
  place: Place,
  service: ServiceFacts,
  { self, others }: OwnPort,
  outcome: Extract<Outcome<void>, { ok: false }>,
): Promise<Outcome<void>> {
  if (outcome.code !== (others.length > 0 ? 'BACKEND_DEAD' : 'UNREACHABLE')) return outcome
  const targets = [self, ...others].map((one) => endpointTarget('a ready endpoint', one))
  const silent = (await connect(targets)).filter(({ state }) => state !== 'connected')
  const [first] = silent
  if (first) throw new NotApplicable(`needs endpoints that answer directly, ${nameOf(first.target)} does not`)
  const rules = await rulesOnNode(plan, place, `${service.namespace}/${service.name}`)
  const wrong = rules.find(({ family, absent, stale }) => family === self.family && (absent || stale.length > 0))
  if (wrong) return outcome
  const detail = `${outcome.detail}; every endpoint answers when it is asked directly, so what is lost are the connections that come back to ${self.address}, the pod itself`
  return { ...outcome, code: 'HAIRPIN_BROKEN', detail }
}
