/** The destination service: its endpoints one by one, and its virtual addresses as a client sees them. */

import { endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { CheckFailure, NotApplicable } from '../failure.ts'
import { encodeQuery } from '../packet/dns.ts'
import { echo, judgeEcho } from '../probe/icmp.ts'
import { type Answer, allOf, judgeEach } from '../probe/judge.ts'
import { connect, connectRepeatedly } from '../probe/tcp.ts'
import { askUdp, type UdpResult } from '../probe/udp.ts'
import type { Endpoint, Plan, ServiceFacts, Target } from '../types.ts'
import { tcpAnswer, udpAnswer } from './answers.ts'
import { judgePing, type PingAnswer, sourceHas, type TcpAnswer } from './pod.ts'
import { type Asking, families, question } from './question.ts'
import { askVirtual, pathsLose } from './virtual.ts'

/** Ping of every ready endpoint; TCP tells for silent ones whether only ICMP is filtered. */
export const endpointPings = question('pod', families, async (plan, row): Promise<PingAnswer> => {
  const targets = distinctAddresses(readyEndpoints(plan, row)).map((endpoint) =>
    endpointTarget('a ready endpoint', endpoint, 'icmp'),
  )
  const results = await echo(targets, { probes: plan.probes })
  const allAnswered = results.every((result) => judgeEcho(result).state === 'answered')
  const open = allAnswered ? new Set<string>() : await reachedByPort(plan, row)
  return judgePing('ready endpoints', results, ({ address }) => open.has(address))
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
  const ready = readyEndpoints(plan, row)
  const targets = addresses.flatMap((address) =>
    service.ports.flatMap(({ port, protocol }): Target[] =>
      protocol === 'sctp'
        ? []
        : [{ role: 'the destination service', name: service.name, address, family, protocol, port }],
    ),
  )
  needed(targets, 'a TCP or UDP port of the destination service', `${service.name} has SCTP ports only`)
  if (service.internalTrafficLocal && !ready.some(({ node }) => node === plan.node.name)) {
    throw new NotApplicable(
      `needs an endpoint on this node, ${service.name} has internalTrafficPolicy Local and none here`,
    )
  }
  const backends = distinctAddresses(ready).length
  const judged = targets.map((target) =>
    askVirtual(
      target,
      backends,
      (times) => attemptsAt(target, times),
      () => pathsLose(plan, row),
    ),
  )
  return { targets, reached: allOf(await Promise.all(judged)) }
})

async function attemptsAt(target: Target, times: number): Promise<Answer[]> {
  if (target.protocol === 'udp') return (await speakUdp(Array.from({ length: times }, () => target))).map(udpAnswer)
  return (await connectRepeatedly(target, times)).results.map(tcpAnswer)
}

const endpointAnswers = question('pod', families, async (plan, row) => {
  // a headless service may have endpoints without a port
  const withPort = readyEndpoints(plan, row).filter(({ port }) => port > 0)
  const targets = withPort.map((endpoint) => endpointTarget('a ready endpoint', endpoint))
  const tcp = targets.filter(({ protocol }) => protocol === 'tcp')
  const udp = targets.filter(({ protocol }) => protocol === 'udp')
  needed([...tcp, ...udp], 'a TCP or UDP port of the destination service', 'its endpoints have none')
  const [connections, datagrams] = await Promise.all([connect(tcp), speakUdp(udp)])
  const answers: Answer[] = [...connections.map(tcpAnswer), ...datagrams.map(udpAnswer)]
  const open = connections.filter(({ state }) => state === 'connected' || state === 'refused')
  return { targets, answers, open: new Set(open.map(({ target }) => target.address)) }
})

const DNS_PORT = 53

/** A DNS server is asked a question that it will answer; what other UDP services understand is not known. */
async function speakUdp(targets: readonly Target[]): Promise<UdpResult[]> {
  const [dns, others] = [
    targets.filter(({ port }) => port === DNS_PORT),
    targets.filter(({ port }) => port !== DNS_PORT),
  ]
  const payload = encodeQuery(0x6b38, { name: 'kubernetes.default.svc.', type: 'A' })
  return (await Promise.all([askUdp(dns, { payload }), askUdp(others)])).flat()
}

async function reachedByPort(plan: Plan, row: Asking): Promise<ReadonlySet<string>> {
  try {
    return (await endpointAnswers(plan, 'pod', row)).open
  } catch (error) {
    if (error instanceof NotApplicable) return new Set()
    throw error
  }
}

/** The ready endpoints of the family; a service that has none at all cannot serve anyone. */
function readyEndpoints(plan: Plan, row: Asking): Endpoint[] {
  const service = given(plan.service)
  if (service.type === 'ExternalName')
    throw new NotApplicable(`needs endpoints, ${service.name} is an ExternalName service`)
  const all = given(service.endpoints)
  sourceHas(plan, row)
  const ready = all.filter((endpoint) => endpoint.ready)
  if (ready.length === 0) throw noEndpoints(service)
  const has = `${service.name} has only ${[...new Set(ready.map(({ family }) => familyName(family)))].join(' and ')}`
  return needed(ofFamily(ready, row.family), `${familyName(row.family)} endpoints of the destination service`, has)
}

function noEndpoints(service: ServiceFacts): CheckFailure {
  return new CheckFailure('NO_READY_ENDPOINTS', `service ${service.namespace}/${service.name} has no ready endpoint`)
}

function distinctAddresses(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])).values()]
}
