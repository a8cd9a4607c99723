/** The destination service: its endpoints one by one, and its virtual addresses as a client sees them. */

import { endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { CheckFailure, NotApplicable } from '../failure.ts'
import { echo, judgeEcho } from '../probe/icmp.ts'
import { allOf, judgeEach, nameOf } from '../probe/judge.ts'
import type { TcpResult } from '../probe/tcp.ts'
import type { UdpResult } from '../probe/udp.ts'
import type { Answer, Endpoint, Evidence, Outcome, Plan, ServiceFacts, Target } from '../types.ts'
import { speakUdp } from './alive.ts'
import { tcpAnswer, udpAnswer } from './answers.ts'
import { DISCARD_PORT, judgePing, type PingAnswer, signOfLife, sourceHas, type TcpAnswer } from './pod.ts'
import { type Asking, families, question } from './question.ts'
import { rulesOnNode, sayDifference } from './service-rules.ts'
import { connectBeyond, connectBeyondRepeatedly } from './sidecar.ts'
import { askVirtual, pathsLose } from './virtual.ts'

/** Ping of every ready endpoint; TCP tells for silent ones whether only ICMP is filtered. */
export const endpointPings = question('pod', families, async (plan, row): Promise<PingAnswer> => {
  const targets = distinctAddresses(readyEndpoints(plan, row)).map((endpoint) => {
    const { port: _, ...target } = endpointTarget('a ready endpoint', endpoint, 'icmp')
    return target
  })
  const results = await echo(targets, { probes: plan.probes })
  const allAnswered = results.every((result) => judgeEcho(result).state === 'answered')
  const others = allAnswered ? [] : await otherSigns(plan, row)
  const byAddress = new Map<string, (TcpResult | UdpResult)[]>()
  for (const one of others) byAddress.set(one.target.address, [...(byAddress.get(one.target.address) ?? []), one])
  return judgePing('ready endpoints', results, ({ address }) => signOfLife(byAddress.get(address) ?? []))
})

/** TCP or UDP to every ready endpoint on its port. */
export const endpointPorts = question('pod', families, async (plan, row): Promise<TcpAnswer> => {
  const { targets, answers } = await endpointAnswers(plan, 'pod', row)
  return { targets, reached: judgeEach('ready endpoints', answers) }
})

/** Each ClusterIP of the family on each port, often enough that one dead backend is met with certainty. */
export const servicePorts = question('pod', families, async (plan, row): Promise<TcpAnswer> => {
  const service = given(plan.service)
  const { family } = row
  const has = service.headless ? 'it is headless' : `${service.name} has ${service.clusterIPs.join(', ') || 'none'}`
  const addresses = service.clusterIPs.filter((address) => familyOf(address) === family)
  needed(addresses, `an ${familyName(family)} ClusterIP of the destination service`, has)
  sourceHas(plan, row)
  // an address of a family in which nobody stands behind it refuses everybody
  const ready = ofFamily(allReady(plan, row), family)
  if (ready.length === 0) throw noEndpoints(service, `${familyName(family)} `)
  const targets = addresses.flatMap((address) =>
    service.ports.flatMap(({ port, protocol }): Target[] =>
      protocol === 'sctp'
        ? []
        : [{ role: 'the destination service', name: service.name, address, family, protocol, port }],
    ),
  )
  needed(targets, 'a TCP or UDP port of the destination service', `${service.name} has SCTP ports only`)
  const used = service.internalTrafficLocal ? ready.filter(({ node }) => node === plan.node.name) : ready
  if (used.length === 0) {
    const said = `service ${service.namespace}/${service.name} has internalTrafficPolicy Local, and its ${ready.length} ready endpoints are all on other nodes than ${plan.node.name}`
    throw new CheckFailure('NO_LOCAL_ENDPOINT', said)
  }
  const outcome = await askService(plan, row, service, used, targets)
  return { targets, reached: await namingDead(plan, row, service, outcome) }
})

/** Each target, an address of the service, so often that each of the endpoints behind it is met. */
export async function askService(
  plan: Plan,
  row: Asking,
  service: ServiceFacts,
  endpoints: readonly Endpoint[],
  targets: readonly Target[],
): Promise<Outcome<void>> {
  // one client meets one endpoint, always the same
  const backends = service.sessionAffinity ? 1 : distinctAddresses(endpoints).length
  const judged = targets.map((target) =>
    askVirtual(
      target,
      backends,
      (times, slowly) => attemptsAt(plan, target, times, slowly),
      () => pathsLose(plan, row),
    ),
  )
  const outcome = allOf(await Promise.all(judged))
  const affinity: Evidence = {
    kind: 'scalar',
    name: 'session affinity',
    value: 'ClientIP: all attempts meet one endpoint',
  }
  return service.sessionAffinity ? { ...outcome, evidence: [affinity, ...outcome.evidence] } : outcome
}

/** Which backend is dead: an endpoint that does not answer when it is asked directly, or one that only the node's rules know. */
async function namingDead(
  plan: Plan,
  row: Asking,
  service: ServiceFacts,
  outcome: Outcome<void>,
): Promise<Outcome<void>> {
  if (outcome.ok || outcome.code !== 'BACKEND_DEAD') return outcome
  const { answers } = await endpointAnswers(plan, 'pod', row)
  const dead = answers.filter(({ code }) => code !== null).map(({ target }) => nameOf(target))
  const said = dead.length > 0 ? [`asked directly, silent too: ${dead.join(', ')}`] : await onlyInRules(plan, service)
  return { ...outcome, detail: [outcome.detail, ...said].join('; ') }
}

async function onlyInRules(plan: Plan, { namespace, name }: ServiceFacts): Promise<readonly string[]> {
  const found = await rulesOnNode(plan, 'pod', `${namespace}/${name}`)
  const stale = found.filter((one) => one.stale.length > 0).map(sayDifference)
  return stale.length > 0
    ? [`every ready endpoint answers directly, but ${stale.join(', ')}`]
    : ['every ready endpoint answers directly']
}

async function attemptsAt(plan: Plan, target: Target, times: number, slowly: boolean): Promise<Answer[]> {
  if (target.protocol === 'udp') return (await speakUdp(Array.from({ length: times }, () => target))).map(udpAnswer)
  return (await connectBeyondRepeatedly(plan, 'pod', target, times, slowly)).map(tcpAnswer)
}

const endpointAnswers = question('pod', families, async (plan, row) => {
  // a headless service may have endpoints without a port
  const targets = readyEndpoints(plan, row)
    .filter(hasPort)
    .map((endpoint) => endpointTarget('a ready endpoint', endpoint))
  needed(targets, 'a TCP or UDP port of the destination service', 'its endpoints have none')
  const tcp = targets.filter(({ protocol }) => protocol === 'tcp')
  const udp = targets.filter(({ protocol }) => protocol === 'udp')
  const [connections, datagrams] = await Promise.all([connectBeyond(plan, 'pod', tcp), speakUdp(udp)])
  const answers: Answer[] = [...connections.map(tcpAnswer), ...datagrams.map(udpAnswer)]
  return { targets, answers, results: [...connections, ...datagrams] }
})

/** What the endpoints said on their ports; where that was no TCP port, a refusal from the discard port will do. */
async function otherSigns(plan: Plan, row: Asking): Promise<readonly (TcpResult | UdpResult)[]> {
  const endpoints = readyEndpoints(plan, row)
  const onPorts = endpoints.some(hasPort) ? (await endpointAnswers(plan, 'pod', row)).results : []
  const spoken = new Set(onPorts.filter((one) => 'syns' in one).map(({ target }) => target.address))
  const rest = distinctAddresses(endpoints).filter(({ address }) => !spoken.has(address))
  const discard = rest.map((endpoint) => ({
    ...endpointTarget('a ready endpoint', endpoint, 'tcp'),
    port: DISCARD_PORT,
  }))
  return [...onPorts, ...(await connectBeyond(plan, 'pod', discard))]
}

const hasPort = ({ port, protocol }: Endpoint): boolean => port > 0 && (protocol === 'tcp' || protocol === 'udp')

/** The ready endpoints of the family. */
function readyEndpoints(plan: Plan, row: Asking): Endpoint[] {
  const ready = allReady(plan, row)
  const families = [...new Set(ready.map(({ family }) => familyName(family)))].join(' and ')
  const has = `${given(plan.service).name} has only ${families}`
  return needed(ofFamily(ready, row.family), `${familyName(row.family)} endpoints of the destination service`, has)
}

/** The ready endpoints of either family; a service that has none at all cannot serve anyone. */
export function allReady(plan: Plan, row: Asking): Endpoint[] {
  const service = given(plan.service)
  if (service.type === 'ExternalName')
    throw new NotApplicable(`needs endpoints, ${service.name} is an ExternalName service`)
  const all = given(service.endpoints)
  sourceHas(plan, row)
  const ready = all.filter((endpoint) => endpoint.ready)
  if (ready.length === 0) throw noEndpoints(service)
  return ready
}

export function noEndpoints({ namespace, name }: ServiceFacts, family = ''): CheckFailure {
  return new CheckFailure('NO_READY_ENDPOINTS', `service ${namespace}/${name} has no ready ${family}endpoint`)
}

/** One endpoint an address. */
export function distinctAddresses(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])).values()]
}
