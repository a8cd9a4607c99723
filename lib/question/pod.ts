/** Destination pods: ICMP and TCP are two questions; each is evidence for the other. */
import { addressOf, familyName, given, needed } from '../fact.ts'
import { type EchoResult, echo, judgeEcho } from '../probe/icmp.ts'
import { type Answer, judgeEach } from '../probe/judge.ts'
import { connect, type TcpResult } from '../probe/tcp.ts'
import type { Evidence, Outcome, Plan, PodTarget, Target } from '../types.ts'
import { echoAnswer, lossAnswer, tcpAnswer } from './answers.ts'
import { type Asking, destinations, question } from './question.ts'

export interface PingAnswer {
  readonly targets: readonly Target[]
  /** Fails when a target can be reached neither by ping nor by TCP. */
  readonly reached: Outcome<void>
  /** Fails with ICMP_FILTERED when TCP is answered where ping is not. */
  readonly icmp: Outcome<void>
  /** PACKET_LOSS from 20 % on. */
  readonly heavyLoss: Outcome<void>
  /** PACKET_LOSS below that. */
  readonly someLoss: Outcome<void>
}

export interface TcpAnswer {
  readonly targets: readonly Target[]
  readonly reached: Outcome<void>
}

/** A port that hardly anything listens on: a refusal from it proves the path as well as an answer does. */
const DISCARD_PORT = 9

/** Ping of the destination pod of a row; when it is lost, TCP to the pod tells a filter from a dead path. */
export const destinationPing = question('pod', destinations, async (plan, row): Promise<PingAnswer> => {
  const target = targetOf(plan, row, 'icmp')
  const [echoes, connections] = await Promise.all([
    echo([target], { probes: plan.probes }),
    destinationConnections(plan, 'pod', row),
  ])
  return judgePing('destination pods', echoes, () => connections.some(provesPath))
})

/** TCP to every declared or endpoint port of the destination pod of a row. */
export const destinationTcp = question('pod', destinations, async (plan, row): Promise<TcpAnswer> => {
  const pod = podOf(plan, row)
  needed(pod.tcpPorts, 'a TCP port of the destination pod', 'it declares none and no service names one')
  const connections = await destinationConnections(plan, 'pod', row)
  return { targets: connections.map(({ target }) => target), reached: judgeEach('ports', connections.map(tcpAnswer)) }
})

/** A pod without a known port is asked on the discard port: a refusal is as good a proof of the path. */
const destinationConnections = question('pod', destinations, async (plan, row): Promise<readonly TcpResult[]> => {
  const base = targetOf(plan, row, 'tcp')
  const { tcpPorts } = podOf(plan, row)
  return connect((tcpPorts.length > 0 ? tcpPorts : [DISCARD_PORT]).map((port) => ({ ...base, port })))
})

/** True when something at the target's address spoke TCP: it connected, or it refused. */
export const provesPath = ({ state }: TcpResult): boolean => state === 'connected' || state === 'refused'

/** Judges pings; `answersTcp` tells for a target that is silent to ping whether TCP reached it. */
export function judgePing(
  noun: string,
  results: readonly EchoResult[],
  answersTcp: (target: Target) => boolean,
): PingAnswer {
  const answers = results.map(echoAnswer)
  const filtered = (answer: Answer) => answer.code !== null && FILTERS.has(answer.code) && answersTcp(answer.target)
  const reached = answers.map((answer) => (filtered(answer) ? { ...answer, code: null } : answer))
  const losses = results.map(lossAnswer)
  return {
    targets: results.map(({ target }) => target),
    reached: withEvidence(judgeEach(noun, reached), echoTable(results)),
    icmp: onlyCode('ICMP_FILTERED', answers.filter(filtered), 'TCP is answered, ping is not'),
    heavyLoss: onlyCode(
      'PACKET_LOSS',
      losses.filter(({ code, heavy }) => code && heavy),
    ),
    someLoss: onlyCode(
      'PACKET_LOSS',
      losses.filter(({ code, heavy }) => code && !heavy),
    ),
  }
}

function withEvidence<T>(outcome: Outcome<T>, evidence: Evidence): Outcome<T> {
  return { ...outcome, evidence: [...outcome.evidence, evidence] }
}

/** Rows of loss and round trip times that a report shows; the lossiest first. */
const MOST_ROWS = 100

function echoTable(results: readonly EchoResult[]): Evidence {
  const rows = results
    .map((result) => ({ result, ...judgeEcho(result) }))
    .toSorted((a, b) => b.loss - a.loss)
    .map(({ result: { target, sent, received }, loss, min, avg, max }) => [
      ...[target.name, target.address, sent, received, Math.round(loss * 1000) / 10],
      ...[min, avg, max].map((ms) => (ms === null ? null : Math.round(ms * 100) / 100)),
    ])
  return {
    kind: 'table',
    name: 'echoes',
    columns: ['target', 'address', 'sent', 'received', 'loss %', 'min ms', 'avg ms', 'max ms'],
    rows: rows.slice(0, MOST_ROWS),
    ...(rows.length > MOST_ROWS ? { omitted: rows.length - MOST_ROWS } : {}),
  }
}

const FILTERS: ReadonlySet<string> = new Set(['UNREACHABLE', 'REJECTED'])

function onlyCode(code: string, answers: readonly Answer[], means?: string): Outcome<void> {
  if (answers.length === 0) return { ok: true, value: undefined, evidence: [] }
  const judged = judgeEach(
    'of these targets',
    answers.map((answer) => ({ ...answer, code })),
  )
  return { ok: false, code, detail: [means, judged.ok ? '' : judged.detail].filter(Boolean).join(': '), evidence: [] }
}

/** The destination pod of a row, as something to ask. */
export function targetOf(plan: Plan, row: Asking, protocol: 'icmp' | 'tcp'): Target {
  const pod = podOf(plan, row)
  const { family } = row
  const has = `pod ${pod.name} has ${pod.addresses.join(', ') || 'none'}`
  const address = needed(
    addressOf(pod.addresses, family),
    `an ${familyName(family)} address of the destination pod`,
    has,
  )
  sourceHas(plan, row)
  const where = { ...(pod.node ? { node: pod.node } : {}), ...(pod.zone ? { zone: pod.zone } : {}) }
  return { role: 'the destination pod', name: pod.name, address, family, protocol, ...where }
}

/** A pod without an address of the family has no business reaching one. */
export function sourceHas(plan: Plan, { family }: Asking): void {
  const { addresses, hostNetwork } = given(plan.source)
  const own = hostNetwork ? plan.node.internalIPs : addresses
  if (own.length === 0) return
  needed(addressOf(own, family), `an ${familyName(family)} address of the source pod`, `it has ${own.join(', ')}`)
}

function podOf(plan: Plan, { destination = 'named' }: Asking): PodTarget {
  return given(plan.destinations[destination])
}
