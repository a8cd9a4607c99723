/** Destination pods: ICMP and TCP are two questions; each is evidence for the other. */
import { addressOf, familyName, given, needed } from '../fact.ts'
import { type EchoResult, echo, judgeEcho } from '../probe/icmp.ts'
import { judgeEach, nameOf } from '../probe/judge.ts'
import type { TcpResult } from '../probe/tcp.ts'
import type { UdpState } from '../probe/udp.ts'
import type { Answer, Evidence, Outcome, Plan, PodTarget, Target } from '../types.ts'
import { echoAnswer, lossAnswer, tcpAnswer } from './answers.ts'
import { type Asking, destinations, question } from './question.ts'
import { connectBeyond } from './sidecar.ts'

export interface PingAnswer {
  readonly targets: readonly Target[]
  /** Fails when a target can be reached neither by ping nor otherwise. */
  readonly reached: Outcome<void>
  /** Fails with ICMP_FILTERED when TCP or UDP is answered where ping is not. */
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
export const DISCARD_PORT = 9

/** Ping of the destination pod of a row; when it is lost, TCP to the pod tells a filter from a dead path. */
export const destinationPing = question('pod', destinations, async (plan, row): Promise<PingAnswer> => {
  const target = targetOf(plan, row, 'icmp')
  const [echoes, connections] = await Promise.all([
    echo([target], { probes: plan.probes }),
    destinationConnections(plan, 'pod', row),
  ])
  return judgePing('destination pods', echoes, () => signOfLife(connections))
})

/** TCP to every declared or endpoint port of the destination pod of a row. */
export const destinationTcp = question('pod', destinations, async (plan, row): Promise<TcpAnswer> => {
  const pod = podOf(plan, row)
  needed(pod.tcpPorts, 'a TCP port of the destination pod', 'it declares none and no service names one')
  const connections = await destinationConnections(plan, 'pod', row)
  return { targets: connections.map(({ target }) => target), reached: judgeEach('ports', connections.map(tcpAnswer)) }
})

/** A pod without a known port is asked on the discard port: a refusal is as good a proof of the path. */
const destinationConnections = question(
  'pod',
  destinations,
  async (plan, row, place): Promise<readonly TcpResult[]> => {
    const base = targetOf(plan, row, 'tcp')
    const { tcpPorts } = podOf(plan, row)
    const ports = tcpPorts.length > 0 ? tcpPorts : [DISCARD_PORT]
    return connectBeyond(
      plan,
      place,
      ports.map((port) => ({ ...base, port })),
    )
  },
)

/** A port of the destination pod of a row that took a connection; null: there is none. */
export async function openTcpPort(plan: Plan, row: Asking): Promise<Target | null> {
  const connections = await destinationConnections(plan, 'pod', row)
  return connections.find(({ state }) => state === 'connected')?.target ?? null
}

/** What an address said by other means than ping: it answered, or refused as a closed port does, or nothing. */
export type SignOfLife = 'answered' | 'refused' | null

/** The best sign of several connections or datagrams. */
export function signOfLife(results: readonly { readonly state: TcpResult['state'] | UdpState }[]): SignOfLife {
  if (results.some(({ state }) => state === 'connected' || state === 'answered')) return 'answered'
  return results.some(({ state }) => state === 'refused') ? 'refused' : null
}

/** Judges pings; `sign` tells for a target that does not answer them whether it lives. */
export function judgePing(
  noun: string,
  results: readonly EchoResult[],
  sign: (target: Target) => SignOfLife,
): PingAnswer {
  const answers = results.map(echoAnswer)
  const filtered = ({ code, target }: Answer) => code !== null && PROOF[code]?.includes(sign(target)) === true
  const reached = answers.map((answer) => (filtered(answer) ? { ...answer, code: null } : answer))
  const losses = results.map(lossAnswer)
  const unheard = answers.filter(filtered).map((answer) => ({ ...answer, code: 'ICMP_FILTERED' }))
  const icmp = onlyCode('ICMP_FILTERED', unheard, 'TCP or UDP is answered, ping is not')
  return {
    targets: results.map(({ target }) => target),
    reached: withEvidence(without(judgeEach(noun, reached), unheard), [echoTable(results), ...roundTrips(results)]),
    // of those the answer is here, so that each target has one
    icmp: { ...icmp, answers: unheard },
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

function without<T>(outcome: Outcome<T>, others: readonly Answer[]): Outcome<T> {
  const told = new Set(others.map(({ target }) => target))
  return { ...outcome, answers: (outcome.answers ?? []).filter(({ target }) => !told.has(target)) }
}

function withEvidence<T>(outcome: Outcome<T>, evidence: readonly Evidence[]): Outcome<T> {
  return { ...outcome, evidence: [...outcome.evidence, ...evidence] }
}

/** Times of all echoes: a later run compares its own with them. */
function roundTrips(results: readonly EchoResult[]): Evidence[] {
  const values = results.flatMap(({ rttsMs }) => rttsMs.map((ms) => Math.round(ms * 100) / 100)).slice(0, MOST_TIMES)
  return values.length === 0 ? [] : [{ kind: 'samples', name: 'round trip times', values, unit: 'ms' }]
}

const MOST_TIMES = 500

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

/**
 * Which sign of life makes a filter of a ping without reply. To a ping that was refused a refusal is none: a firewall that
 * rejects everything answers both, with ICMP port unreachable (RFC 792), and nothing reaches the target.
 */
const PROOF: Readonly<Record<string, readonly SignOfLife[]>> = {
  UNREACHABLE: ['answered', 'refused'],
  REJECTED: ['answered'],
}

/** Targets named in a sentence. */
const MOST_NAMES = 3

function onlyCode(code: string, answers: readonly Answer[], means?: string): Outcome<void> {
  if (answers.length === 0) return { ok: true, value: undefined, evidence: [] }
  const named = answers.slice(0, MOST_NAMES).map(({ target, said }) => `${nameOf(target)}: ${said}`)
  const more = answers.length > MOST_NAMES ? [`and ${answers.length - MOST_NAMES} more`] : []
  const detail = [...(means ? [means] : []), [...named, ...more].join('; ')].join(': ')
  return { ok: false, code, detail, evidence: [] }
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

/** The destination pod of a row. */
export function podOf(plan: Plan, { destination = 'named' }: Asking): PodTarget {
  return given(plan.destinations[destination])
}
