/** What the answers of a nameserver mean together: one record type that is dropped, one protocol that is blocked. Pure. */
import type { DnsType } from '../packet/dns.ts'
import { isSilence } from '../probe/judge.ts'
import type { Answer, Code, Outcome, Protocol } from '../types.ts'
import { WRONG_SOURCE } from './answers.ts'

/** One query's answer, with the type that was asked. */
export interface TypedAnswer extends Answer {
  readonly type: DnsType
}

/** Nothing came back at all; an answer from a wrong address is something else. */
const isDropped = (answer: Answer): boolean =>
  answer.code === 'DNS_NO_ANSWER' && isSilence(answer) && !answer.said.startsWith(WRONG_SOURCE)

/** Codes of a server that said nothing, or of a path that let nothing through. */
const NOT_HEARD: ReadonlySet<Code> = new Set([
  ...['DNS_NO_ANSWER', 'NOTHING_LISTENING', 'REJECTED', 'NO_ROUTE', 'PROBE_INCONCLUSIVE', 'BACKEND_DEAD'],
])

const isHeard = ({ code }: Answer): boolean => code === null || !NOT_HEARD.has(code)

/** The record type whose queries are all dropped while all those of other types are answered; null: there is none. */
export function droppedType(answers: readonly TypedAnswer[]): DnsType | null {
  const types = [...new Set(answers.map(({ type }) => type))]
  const dead = types.filter((type) => answers.every((one) => one.type !== type || isDropped(one)))
  const [only] = dead
  if (only === undefined || dead.length === types.length) return null
  return answers.every((one) => one.type === only || isHeard(one)) ? only : null
}

/** How a dropped record type is said. */
export function droppedSaid(dropped: DnsType, answers: readonly TypedAnswer[]): string {
  const others = [...new Set(answers.map(({ type }) => type))].filter((type) => type !== dropped)
  return `no answer to queries for ${dropped}, while those for ${others.join(' and ')} are answered`
}

/** One answer for all queries to one target: the worst of them, or that one type of query is dropped. */
export function together(answers: readonly TypedAnswer[]): Answer {
  const [first] = answers
  if (first === undefined) throw new TypeError('no answers')
  const { target } = first
  const dropped = droppedType(answers)
  if (dropped) return { target, code: 'DNS_FAMILY_DROPPED', said: droppedSaid(dropped, answers), ms: null }
  const bad = answers.filter(({ code }) => code !== null)
  // what was said tells more than silence
  const { code, said } = bad.find((one) => !isSilence(one)) ?? bad[0] ?? first
  const times = answers.flatMap(({ ms }) => ms ?? [])
  const resent = answers.some((one) => one.resent) ? { resent: true } : {}
  const shown = code === null ? [...new Set(answers.map((one) => one.said))].join('; ') : said
  return { target, code, said: shown, ms: times.length > 0 ? Math.max(...times) : null, ...resent }
}

const BLOCKED: Partial<Record<Protocol, Code>> = { udp: 'DNS_UDP_BLOCKED', tcp: 'DNS_TCP_BLOCKED' }
const OTHER: Partial<Record<Protocol, Protocol>> = { udp: 'tcp', tcp: 'udp' }

/** Where a server is silent over one protocol and heard over the other, the first is blocked. */
export function blockedProtocols(answers: readonly Answer[]): readonly Answer[] {
  return answers.map((answer) => {
    const { address, protocol = 'udp' } = answer.target
    const other = answers.find(({ target }) => target.address === address && target.protocol === OTHER[protocol])
    const heard = other !== undefined && isHeard(other)
    const code = BLOCKED[protocol]
    if (!isDropped(answer) || !heard || code === undefined) return answer
    const [here, there] = [protocol, OTHER[protocol] ?? ''].map((name) => name.toUpperCase())
    return { ...answer, code, said: `no answer over ${here} port 53, while it answers over ${there}` }
  })
}

/** The same for the outcomes of single targets, each of which holds one answer. */
export function blockedOutcomes(outcomes: readonly Outcome<void>[]): readonly Outcome<void>[] {
  const told = blockedProtocols(outcomes.flatMap(({ answers = [] }) => answers))
  return outcomes.map((outcome) => {
    const [own] = outcome.answers ?? []
    const now = told.find(({ target }) => target === own?.target)
    return outcome.ok || now === undefined || now.code === null || now.code === own?.code
      ? outcome
      : { ...outcome, code: now.code, detail: `${now.target.address}: ${now.said}`, answers: [now] }
  })
}
