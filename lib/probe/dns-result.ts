/** What asking a DNS server leaves: the words that its two transports share. */
import type { DnsMeaning, DnsParsed, DnsQuestion } from '../packet/dns.ts'
import type { Target } from '../types.ts'

/**
 * answered      `meaning` says what; NXDOMAIN, SERVFAIL and REFUSED are answers
 * no-answer     nothing came back within the budget
 * refused-port  a reset or ICMP port unreachable: no DNS server there, or a service without endpoints
 * rejected      an ICMP error or a local filter refused
 * no-route      this namespace's own routing refused: no packet was sent
 * wrong-source  the answer came from another address than the one asked: resolvers drop it (a broken or missing NAT on
 *               the way back, such as bridged traffic that bypasses conntrack)
 * malformed     something came back that is no answer to the query: undecodable, wrong id, wrong question
 * local-error   the socket could not be used at all: we could not look
 */
export type DnsState =
  | 'answered'
  | 'no-answer'
  | 'refused-port'
  | 'rejected'
  | 'no-route'
  | 'wrong-source'
  | 'malformed'
  | 'local-error'

export interface DnsResult {
  readonly target: Target
  readonly question: DnsQuestion
  readonly state: DnsState
  /** Over what the state was found: TCP also when a truncated UDP answer was followed up. */
  readonly transport: 'udp' | 'tcp'
  readonly meaning: DnsMeaning | null
  /** NOERROR, NXDOMAIN, ...; null without an answer. */
  readonly rcode: string | null
  readonly addresses: readonly string[]
  readonly cnames: readonly string[]
  /** Of PTR records. */
  readonly names: readonly string[]
  /** The UDP answer was truncated and TCP was asked (RFC 7766). */
  readonly truncated: boolean
  /** From the query that was answered to its answer; null without an answer. */
  readonly ms: number | null
  /** Queries sent over the transport that decided. */
  readonly tries: number
  /** The answer is that to a repeat: the first query, or its answer, was lost. A late answer to the first is none. */
  readonly repeated?: boolean
  /** What was wrong, when the state alone does not say it. */
  readonly detail: string | null
}

/** What one parsed reply says, as a part of a result. */
export function readReply(
  parsed: DnsParsed,
  started: number,
): Omit<DnsResult, 'target' | 'question' | 'transport' | 'tries'> {
  if (parsed.kind !== 'answer') return { ...NOTHING, state: 'malformed', detail: parsed.why }
  const { meaning, rcode, addresses, cnames, names, truncated } = parsed
  const ms = Math.round((performance.now() - started) * 100) / 100
  return { state: 'answered', meaning, rcode, addresses, cnames, names, truncated, ms, detail: null }
}

/** The fields of a result without an answer. */
export const NOTHING = {
  meaning: null,
  rcode: null,
  addresses: [],
  cnames: [],
  names: [],
  truncated: false,
  ms: null,
} as const
