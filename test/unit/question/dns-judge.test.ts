/** Which part of DNS is dropped: one record type, one protocol; and when that must not be said. */
import { describe, expect, test } from 'vitest'
import {
  blockedOutcomes,
  blockedProtocols,
  droppedType,
  type TypedAnswer,
  together,
} from '../../../lib/question/dns-judge.ts'
import type { Answer, Outcome, Protocol, Target } from '../../../lib/types.ts'

const at = (protocol: Protocol, address = '198.18.2.53'): Target => ({
  ...{ role: 'a DNS replica', name: 'coredns-a', address, family: 4, protocol, port: 53 },
})
const udp = at('udp')
const tcp = at('tcp')
const good = (type: 'A' | 'AAAA', target = udp): TypedAnswer => ({
  target,
  type,
  code: null,
  said: `${type}: well`,
  ms: 1,
})
const silent = (type: 'A' | 'AAAA', target = udp): TypedAnswer => ({
  ...{ target, type, code: 'DNS_NO_ANSWER', said: 'no answer over UDP', ms: null },
})
const strange: TypedAnswer = {
  ...silent('AAAA'),
  said: 'the answer came from another address than the one asked, so resolvers drop it over UDP',
}
const said = (code: string): TypedAnswer => ({ ...good('A'), code, said: code })

describe('a record type', () => {
  test.each([
    ['all answered', [good('A'), good('AAAA')], null],
    ['all AAAA silent, all A answered', [good('A'), silent('AAAA'), good('A'), silent('AAAA')], 'AAAA'],
    ['all A silent, all AAAA answered', [silent('A'), good('AAAA')], 'A'],
    ['NXDOMAIN is an answer', [said('DNS_NXDOMAIN'), silent('AAAA')], 'AAAA'],
    ['one AAAA answered', [good('A'), silent('AAAA'), good('A'), good('AAAA')], null],
    ['one A silent as well', [good('A'), silent('AAAA'), silent('A'), silent('AAAA')], null],
    ['everything silent', [silent('A'), silent('AAAA')], null],
    ['an answer from a wrong address is not dropped', [good('A'), strange], null],
    ['only one type was asked', [silent('A')], null],
    ['a refusal of the other type is no answer', [silent('AAAA'), said('REJECTED')], null],
  ] as const)('%s: %s', (_, answers, dropped) => {
    expect(droppedType(answers)).toBe(dropped)
  })
})

describe('one answer of a target', () => {
  test('all well: everything that was said, the longest time', () => {
    const all = together([good('A'), { ...good('AAAA'), ms: 3, resent: true }])
    expect(all).toEqual({ target: udp, code: null, said: 'A: well; AAAA: well', ms: 3, resent: true })
  })

  test.each([
    ['AAAA dropped', [good('A'), silent('AAAA')], 'DNS_FAMILY_DROPPED'],
    ['all silent', [silent('A'), silent('AAAA')], 'DNS_NO_ANSWER'],
    ['what was said tells more than silence', [silent('A'), good('A'), said('DNS_SERVFAIL')], 'DNS_SERVFAIL'],
  ] as const)('%s: %s', (_, answers, code) => {
    expect(together(answers).code).toBe(code)
  })

  test('a dropped type is named, and what is answered', () => {
    expect(together([good('A'), silent('AAAA')]).said).toBe(
      'no answer to queries for AAAA, while those for A are answered',
    )
  })
})

describe('a protocol', () => {
  const codes = (...answers: readonly Answer[]) => blockedProtocols(answers).map(({ code }) => code)

  test.each([
    ['UDP silent, TCP answers', [silent('A'), good('A', tcp)], ['DNS_UDP_BLOCKED', null]],
    ['TCP silent, UDP answers', [good('A'), silent('A', tcp)], [null, 'DNS_TCP_BLOCKED']],
    [
      'an answer is one, whatever it says',
      [said('DNS_NXDOMAIN'), silent('A', tcp)],
      ['DNS_NXDOMAIN', 'DNS_TCP_BLOCKED'],
    ],
    [
      'both out of reach, and the kernel said so of one TCP query in time',
      [silent('A'), together([silent('AAAA', tcp), { ...said('REJECTED'), target: tcp }])],
      ['DNS_NO_ANSWER', 'REJECTED'],
    ],
    ['both silent', [silent('A'), silent('A', tcp)], ['DNS_NO_ANSWER', 'DNS_NO_ANSWER']],
    ['a refusal is none', [said('NOTHING_LISTENING'), silent('A', tcp)], ['NOTHING_LISTENING', 'DNS_NO_ANSWER']],
    [
      'TCP refused is said as such',
      [good('A'), { ...said('NOTHING_LISTENING'), target: tcp }],
      [null, 'NOTHING_LISTENING'],
    ],
    ['of another server nothing follows', [silent('A'), good('A', at('tcp', '198.18.1.53'))], ['DNS_NO_ANSWER', null]],
    ['not asked over TCP', [silent('A')], ['DNS_NO_ANSWER']],
    ['answers from a wrong address are not blocked', [strange, good('A', tcp)], ['DNS_NO_ANSWER', null]],
  ] as const)('%s', (_, answers, expected) => {
    expect(codes(...answers)).toEqual(expected)
  })

  test('the outcome of a blocked target gets code and sentence, the others stay', () => {
    const outcome = (answer: Answer): Outcome<void> =>
      answer.code === null
        ? { ok: true, value: undefined, evidence: [], answers: [answer] }
        : { ok: false, code: answer.code, detail: 'x', evidence: [], answers: [answer] }
    const [first, second] = [outcome(silent('A')), outcome(good('A', tcp))]
    const told = blockedOutcomes([first, second])
    expect(told[0]).toMatchObject({
      ok: false,
      code: 'DNS_UDP_BLOCKED',
      detail: '198.18.2.53: no answer over UDP port 53, while it answers over TCP',
    })
    expect(told[1]).toBe(second)
  })
})
