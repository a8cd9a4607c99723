/** What each kind of measurement means for one target: pure. */
import { canonicalAddress } from '../packet/address.ts'
import type { DnsResult } from '../probe/dns.ts'
import type { HttpsResult } from '../probe/http.ts'
import { type EchoResult, judgeEcho } from '../probe/icmp.ts'
import { NEXT_HOP_SILENT } from '../probe/next-hop.ts'
import { clockExplains } from '../probe/state/clock.ts'
import type { TcpResult, TcpState } from '../probe/tcp.ts'
import type { UdpResult } from '../probe/udp.ts'
import type { Answer, Code } from '../types.ts'

const TCP: Record<TcpState, { code: Code | null; said: string }> = {
  connected: { code: null, said: 'connected' },
  refused: { code: 'NOTHING_LISTENING', said: 'the connection was refused' },
  rejected: { code: 'REJECTED', said: 'an ICMP error said that it cannot be reached' },
  unresolved: { code: 'UNREACHABLE', said: NEXT_HOP_SILENT },
  silent: { code: 'UNREACHABLE', said: 'no answer to any SYN' },
  'no-route': { code: 'NO_ROUTE', said: 'no route to it from here' },
  'local-error': { code: 'PROBE_INCONCLUSIVE', said: 'the socket could not be used' },
  intercepted: { code: 'SIDECAR_INTERCEPTS', said: 'a proxy in the pod took the connection, as it takes every one' },
  'not-asked': { code: 'UNREACHABLE', said: 'not asked: hundreds before it were silent' },
}

/** A TCP connection: connected is right, everything else is not. */
export function tcpAnswer({ target, state, ms, errno, resent }: TcpResult): Answer {
  const { code, said } = TCP[state]
  return { target, code, said: errno ? `${said} (${errno})` : said, ms, ...(resent ? { resent } : {}) }
}

const OUT_OF_TIME: ReadonlySet<string> = new Set(['TLS_CERT_EXPIRED', 'TLS_CERT_NOT_YET_VALID'])

/** HTTPS: any HTTP answer proves the path; a TLS or HTTP problem has a code of its own. */
export function httpsAnswer(result: HttpsResult): Answer {
  const { target, tcp, errno, code, detail, status, phases, certificate, clock } = result
  if (tcp !== 'connected') return tcpAnswer({ target, state: tcp, errno, ms: phases.connect, syns: result.syns })
  const ms = sum(phases.connect, phases.tls, phases.firstByte)
  const clockSays = code !== null && OUT_OF_TIME.has(code) && certificate && clock && clockExplains(certificate, clock)
  if (clockSays) return { target, code: 'CLOCK_SKEW', said: clockSays, ms }
  return {
    target,
    code,
    said: code ? (detail ?? code) : `HTTP ${status}`,
    ms,
    ...(result.resent ? { resent: true } : {}),
  }
}

/** A UDP datagram: an answer proves the path, a refusal that nothing listens. Silence proves nothing: inconclusive. */
export function udpAnswer({ target, state, ms, sent }: UdpResult): Answer {
  if (state === 'answered') return { target, code: null, said: 'answered', ms, ...(sent > 1 ? { resent: true } : {}) }
  if (state === 'silent')
    return { target, code: 'UDP_SILENT', said: 'silent, as most UDP services are to strangers', ms: null }
  const as = { refused: 'refused', rejected: 'rejected', 'no-route': 'no-route', 'local-error': 'local-error' } as const
  return { target, ...TCP[as[state]], ms }
}

/** Ping: any reply is an answer, here; loss is judged by `lossOf`. */
export function echoAnswer(result: EchoResult): Answer {
  const { target, sent, received, error } = result
  const { state, avg } = judgeEcho(result)
  const heard = `${received} of ${sent} echoes answered`
  const ms = avg === null ? null : round(avg)
  const because = error ? `: ${error.text}` : ''
  switch (state) {
    case 'answered':
    case 'lossy':
    case 'very-lossy':
      return { target, code: null, said: heard, ms }
    case 'silent':
      return { target, code: 'UNREACHABLE', said: `${heard}${because}`, ms }
    case 'rejected':
      return { target, code: 'REJECTED', said: `${heard}${because}`, ms }
    case 'no-route':
      return { target, code: 'NO_ROUTE', said: `no echo could be sent${because}`, ms }
    case 'not-measured':
      return {
        target,
        code: LOCAL.has(error?.code ?? '') ? (error?.code ?? '') : 'PROBE_INCONCLUSIVE',
        said: `no echo could be sent${because}`,
        ms,
      }
  }
}

/** Codes of a socket that could not be opened, which say more than that the probe was inconclusive. */
const LOCAL: ReadonlySet<string> = new Set([
  ...['PERMISSION_MISSING', 'NATIVE_MODULE_MISSING', 'FAMILY_UNSUPPORTED', 'SOCKET_FAILED'],
])

/** Loss of a target that answered at all: null when nothing was lost. */
export function lossAnswer(result: EchoResult): Answer & { readonly heavy: boolean } {
  const { state, loss, avg } = judgeEcho(result)
  const lossy = state === 'lossy' || state === 'very-lossy'
  const said = `${Math.round(loss * 1000) / 10} % of ${result.sent} echoes lost`
  return {
    target: result.target,
    code: lossy ? 'PACKET_LOSS' : null,
    said,
    ms: avg && round(avg),
    heavy: state === 'very-lossy',
  }
}

/**
 * What a name must hold: these records, in any order (none: it must exist without any); 'some': at least one, whichever;
 * 'any': it must exist.
 */
export type DnsExpected = readonly string[] | 'some' | 'any'

/** DNS: any other answer than the expected is wrong, and so is none. */
export function dnsAnswer(result: DnsResult, expected: DnsExpected): Answer {
  const { target, state, ms, question, transport, detail } = result
  if (state === 'answered') {
    const about = `${question.type} of ${question.name} over ${transport.toUpperCase()}`
    return { target, ms, ...dnsContent(result, expected, about), ...(isResent(result) ? { resent: true } : {}) }
  }
  const [code, said] = DNS_SILENCE[state]
  return { target, code, said: `${said} over ${transport.toUpperCase()}${detail ? ` (${detail})` : ''}`, ms }
}

/** How an answer is said that came from another address than the one asked. */
export const WRONG_SOURCE = 'the answer came from another address than the one asked'

/** Over TCP the kernel repeats a SYN: that is counted as another try. */
const isResent = ({ transport, tries, repeated }: DnsResult): boolean =>
  transport === 'tcp' ? tries > 1 : repeated === true

const DNS_SILENCE: Record<Exclude<DnsResult['state'], 'answered'>, readonly [Code, string]> = {
  'no-answer': ['DNS_NO_ANSWER', 'no answer'],
  'refused-port': ['NOTHING_LISTENING', 'the port is closed'],
  rejected: ['REJECTED', 'an ICMP error said that it cannot be reached'],
  'no-route': ['NO_ROUTE', 'no route to the server from here'],
  'wrong-source': ['DNS_NO_ANSWER', `${WRONG_SOURCE}, so resolvers drop it`],
  malformed: ['DNS_WRONG_ANSWER', 'what came back is no answer to the query'],
  'local-error': ['PROBE_INCONCLUSIVE', 'the socket could not be used'],
}

function dnsContent(
  { meaning, rcode, addresses, cnames, question }: DnsResult,
  expected: DnsExpected,
  about: string,
): { code: Code | null; said: string } {
  // an alias on the way to the right address is no fault: every resolver follows it
  const got = question.type === 'CNAME' ? cnames : addresses
  // also where no record is expected: the name exists, and NXDOMAIN for one family makes some resolvers give up on both
  if (meaning === 'nxdomain') return { code: 'DNS_NXDOMAIN', said: `${about}: no such name` }
  if (meaning === 'servfail') return { code: 'DNS_SERVFAIL', said: `${about}: SERVFAIL` }
  if (meaning === 'refused') return { code: 'DNS_REFUSED', said: `${about}: REFUSED` }
  if (meaning === 'other') return { code: 'DNS_WRONG_ANSWER', said: `${about}: ${rcode}` }
  const right =
    expected === 'any' || (expected === 'some' ? got.length > 0 : sameSet(got, expected.map(canonicalAddress)))
  const shown = got.length > 0 ? got.join(', ') : 'no record'
  if (right) return { code: null, said: `${about}: ${shown}` }
  return {
    code: 'DNS_WRONG_ANSWER',
    said: `${about}: ${shown}, expected ${typeof expected === 'string' ? expected : expected.join(', ') || 'none'}`,
  }
}

function sameSet(got: readonly string[], expected: readonly string[]): boolean {
  const wanted = new Set(expected)
  return new Set(got).size === wanted.size && got.every((item) => wanted.has(item))
}

function sum(...parts: readonly (number | null)[]): number {
  return round(parts.reduce<number>((total, part) => total + (part ?? 0), 0))
}

const round = (value: number): number => Math.round(value * 100) / 100
