/** What one measurement means: every state of every probe, none of which may turn into the wrong colour. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODES } from '../../../lib/diagnose/codes.ts'
import type { DnsResult, DnsState } from '../../../lib/probe/dns.ts'
import { NOTHING } from '../../../lib/probe/dns-result.ts'
import type { HttpsResult } from '../../../lib/probe/http.ts'
import type { EchoResult } from '../../../lib/probe/icmp.ts'
import type { TcpState } from '../../../lib/probe/tcp.ts'
import type { UdpState } from '../../../lib/probe/udp.ts'
import { dnsAnswer, echoAnswer, httpsAnswer, lossAnswer, tcpAnswer, udpAnswer } from '../../../lib/question/answers.ts'
import { target } from './sample-plan.ts'

const here = target('198.18.2.9')
const kindOf = (code: string | null) => (code === null ? 'pass' : (CODES[code]?.kind ?? 'none'))

describe('tcpAnswer', () => {
  const of = (state: TcpState, errno: string | null = null, ms: number | null = 1) =>
    tcpAnswer({ target: here, state, ms, errno, syns: 1 })

  it.each([
    ['connected', null],
    ['refused', 'NOTHING_LISTENING'],
    ['rejected', 'REJECTED'],
    ['unresolved', 'UNREACHABLE'],
    ['silent', 'UNREACHABLE'],
    ['no-route', 'NO_ROUTE'],
    ['local-error', 'PROBE_INCONCLUSIVE'],
    ['not-asked', 'UNREACHABLE'],
  ] as const)('%s: %s', (state, code) => {
    expect(of(state).code).toBe(code)
  })

  it('says the errno, and that a SYN was sent again', () => {
    expect(of('rejected', 'EACCES').said).toContain('(EACCES)')
    expect(tcpAnswer({ target: here, state: 'connected', ms: 1040, errno: null, syns: 1, resent: true }).resent).toBe(
      true,
    )
  })
})

describe('udpAnswer', () => {
  const of = (state: UdpState, sent = 1) =>
    udpAnswer({ target: here, state, ms: 1, errno: null, sent, answerBytes: null })

  it.each([
    ['answered', 'pass'],
    ['silent', 'inconclusive'],
    ['refused', 'fail'],
    ['rejected', 'fail'],
    ['no-route', 'fail'],
    ['local-error', 'inconclusive'],
  ] as const)('%s: %s', (state, kind) => {
    expect(kindOf(of(state).code)).toBe(kind)
  })

  it('an answer to the second datagram only was resent', () => {
    expect(of('answered', 1).resent).toBeUndefined()
    expect(of('answered', 2).resent).toBe(true)
  })
})

describe('httpsAnswer', () => {
  const of = (changes: Partial<HttpsResult>) =>
    httpsAnswer({
      target: here,
      tcp: 'connected',
      errno: null,
      syns: 1,
      tls: 'verified',
      code: null,
      detail: null,
      status: 200,
      phases: { connect: 1, tls: 2, firstByte: 3.123 },
      certificate: null,
      clock: null,
      ...changes,
    })

  it.each([200, 401, 403])('HTTP %i proves the path', (status) => {
    expect(of({ status })).toMatchObject({ code: null, said: `HTTP ${status}`, ms: 6.12 })
  })

  it('a certificate or status problem keeps its own code and words', () => {
    const detail = 'GET /livez was answered with HTTP 503.'
    expect(of({ code: 'HTTP_STATUS', status: 503, detail })).toMatchObject({ code: 'HTTP_STATUS', said: detail })
    expect(of({ tls: 'failed', code: 'TLS_CERT_EXPIRED' }).code).toBe('TLS_CERT_EXPIRED')
  })

  it('without a connection it is the answer of TCP', () => {
    const none = { tls: 'none', status: null, phases: { connect: null, tls: null, firstByte: null } } as const
    expect(of({ tcp: 'refused', ...none }).code).toBe('NOTHING_LISTENING')
    expect(of({ tcp: 'silent', ...none }).code).toBe('UNREACHABLE')
  })

  it('an unverified certificate does not harm the path', () => {
    expect(of({ tls: 'unverified', detail: 'no CA' }).code).toBeNull()
  })
})

const echo = (sent: number, received: number, error: EchoResult['error'] = null): EchoResult => ({
  target: here,
  sent,
  received,
  rttsMs: Array.from({ length: received }, () => 0.5),
  error,
})
const local = (code: string) => ({ kind: 'local', from: null, text: `text of ${code}`, code }) as const
const remote = {
  kind: 'prohibited',
  from: '198.51.100.7',
  text: 'prohibited, says 198.51.100.7',
  code: 'icmp 3/13',
} as const

describe('echoAnswer and lossAnswer', () => {
  it.each([
    ['all answered', echo(3, 3), null],
    ['some answered', echo(25, 10), null],
    ['silent', echo(23, 0), 'UNREACHABLE'],
    ['an ICMP error', echo(5, 0, remote), 'REJECTED'],
    ['a local firewall', echo(5, 0, local('EPERM')), 'REJECTED'],
    ['no route', echo(5, 0, local('ENETUNREACH')), 'NO_ROUTE'],
    ['no capability', echo(0, 0, local('PERMISSION_MISSING')), 'PERMISSION_MISSING'],
    ['no module', echo(0, 0, local('NATIVE_MODULE_MISSING')), 'NATIVE_MODULE_MISSING'],
    ['no such family here', echo(0, 0, local('FAMILY_UNSUPPORTED')), 'FAMILY_UNSUPPORTED'],
    ['no socket', echo(0, 0, local('SOCKET_FAILED')), 'SOCKET_FAILED'],
    ['an unknown local error', echo(5, 0, local('ENOMEM')), 'PROBE_INCONCLUSIVE'],
    ['nothing sent', echo(0, 0), 'PROBE_INCONCLUSIVE'],
  ])('%s: %s', (_, result, code) => {
    expect(echoAnswer(result).code).toBe(code)
  })

  it.each([
    [25, 25, null, false],
    [25, 24, null, false],
    [25, 23, 'PACKET_LOSS', false],
    [25, 20, 'PACKET_LOSS', true],
    // nothing at all came back: that is no loss but a dead path, told by echoAnswer
    [25, 0, null, false],
  ])('of %i echoes %i answered: %s, heavy %s', (sent, received, code, heavy) => {
    expect(lossAnswer(echo(sent, received))).toMatchObject({ code, heavy })
  })

  it('a measurement is green only with a reply', () => {
    const results = fc
      .record({ sent: fc.nat(40), lost: fc.nat(40), error: fc.constantFrom(null, remote, local('EPERM')) })
      .map(({ sent, lost, error }) => echo(sent, Math.max(0, sent - lost), error))
    fc.assert(fc.property(results, (result) => (echoAnswer(result).code === null) === result.received > 0))
  })
})

describe('dnsAnswer', () => {
  const result = (changes: Partial<DnsResult>): DnsResult => ({
    ...NOTHING,
    target: here,
    question: { name: 'kubernetes.default.svc.cluster.local.', type: 'A' },
    state: 'answered',
    transport: 'udp',
    meaning: 'data',
    rcode: 'NOERROR',
    tries: 1,
    detail: null,
    ms: 1,
    ...changes,
  })
  const A = (...addresses: string[]) => result({ addresses, meaning: addresses.length > 0 ? 'data' : 'nodata' })

  it.each([
    ['exactly the expected', A('198.19.0.1'), ['198.19.0.1'], null],
    ['in another order', A('198.18.2.2', '198.18.2.1'), ['198.18.2.1', '198.18.2.2'], null],
    ['one record twice', A('198.18.2.1', '198.18.2.1'), ['198.18.2.1'], null],
    ['a stale address', A('198.19.0.9'), ['198.19.0.1'], 'DNS_WRONG_ANSWER'],
    ['one too few', A('198.18.2.1'), ['198.18.2.1', '198.18.2.2'], 'DNS_WRONG_ANSWER'],
    ['one too many', A('198.18.2.1', '198.18.2.2'), ['198.18.2.1'], 'DNS_WRONG_ANSWER'],
    [
      'one for another of equal number',
      A('198.18.2.1', '198.18.2.1'),
      ['198.18.2.1', '198.18.2.2'],
      'DNS_WRONG_ANSWER',
    ],
    ['NODATA where a record is due', A(), ['198.19.0.1'], 'DNS_WRONG_ANSWER'],
    ['NODATA where none is due', A(), [], null],
    ['a record where none is due', A('198.19.0.1'), [], 'DNS_WRONG_ANSWER'],
    ['any, and none is there', A(), 'any', null],
    ['some, and none is there', A(), 'some', 'DNS_WRONG_ANSWER'],
    ['some, and one is there', A('198.19.0.1'), 'some', null],
  ] as const)('%s: %s', (_, answered, expected, code) => {
    expect(dnsAnswer(answered, expected).code).toBe(code)
  })

  it('addresses are compared as addresses, not as text', () => {
    const question = { name: 'x.', type: 'AAAA' } as const
    const answered = result({ question, addresses: ['2001:db8::1'] })
    expect(dnsAnswer(answered, ['2001:0DB8:0:0:0:0:0:1']).code).toBeNull()
  })

  it('an alias on the way to the right address is no fault; for a CNAME it is the answer', () => {
    expect(dnsAnswer(result({ addresses: ['198.19.0.1'], cnames: ['other.svc'] }), ['198.19.0.1']).code).toBeNull()
    const question = { name: 'x.', type: 'CNAME' } as const
    expect(dnsAnswer(result({ question, cnames: ['ext.example'] }), ['ext.example']).code).toBeNull()
    expect(dnsAnswer(result({ question, cnames: ['old.example'] }), ['ext.example']).code).toBe('DNS_WRONG_ANSWER')
    expect(dnsAnswer(result({ question, meaning: 'nodata' }), ['ext.example']).code).toBe('DNS_WRONG_ANSWER')
  })

  it.each([
    ['nxdomain', 'DNS_NXDOMAIN'],
    ['servfail', 'DNS_SERVFAIL'],
    ['refused', 'DNS_REFUSED'],
    ['other', 'DNS_WRONG_ANSWER'],
  ] as const)('%s is a fault whatever was expected', (meaning, code) => {
    for (const expected of [['198.19.0.1'], [], 'some', 'any'] as const) {
      expect(dnsAnswer(result({ meaning, rcode: 'X' }), expected).code).toBe(code)
    }
  })

  it.each([
    ['no-answer', 'DNS_NO_ANSWER'],
    ['refused-port', 'NOTHING_LISTENING'],
    ['rejected', 'REJECTED'],
    ['no-route', 'NO_ROUTE'],
    ['wrong-source', 'DNS_NO_ANSWER'],
    ['malformed', 'DNS_WRONG_ANSWER'],
    ['local-error', 'PROBE_INCONCLUSIVE'],
  ] as const)('%s: %s', (state, code) => {
    // even with records in it: what did not count as an answer must not become one
    const silent = result({ state: state as DnsState, addresses: ['198.19.0.1'] })
    for (const expected of [['198.19.0.1'], [], 'any'] as const) expect(dnsAnswer(silent, expected).code).toBe(code)
  })
})
