/** The search list as glibc and musl walk it, and what a walk means. */
import { describe, expect, test } from 'vitest'
import type { DnsResult } from '../../../lib/probe/dns.ts'
import { NOTHING } from '../../../lib/probe/dns-result.ts'
import { readStep, upstreamCause } from '../../../lib/question/dns-search.ts'
import { judgeWalk, type Libc, type StepAnswer, type StepState, searchSteps } from '../../../lib/question/dns-walk.ts'
import { target } from './sample-plan.ts'

const resolv = { search: ['default.svc.cluster.local', 'svc.cluster.local'], ndots: 5 }
const names = (name: string, ndots: number, libc: Libc) =>
  searchSteps(name, { ...resolv, ndots }, libc).map((step) => `${step.first ? '!' : ''}${step.name}`)
const LISTED = ['kubernetes.default.default.svc.cluster.local.', 'kubernetes.default.svc.cluster.local.']
const PLAIN = 'kubernetes.default.'

test.each([
  ['fewer dots than ndots: the list first', 5, 'glibc', [...LISTED, PLAIN]],
  ['and so musl', 5, 'musl', [...LISTED, PLAIN]],
  ['as many dots as ndots: as it is first', 1, 'glibc', [`!${PLAIN}`, ...LISTED]],
  ['musl never searches then', 1, 'musl', [PLAIN]],
  ['one more than dots', 2, 'musl', [...LISTED, PLAIN]],
] as const)('%s', (_, ndots, libc, expected) => {
  expect(names('kubernetes.default', ndots, libc)).toEqual(expected)
})

const step = (state: StepState, changes: Partial<StepAnswer> = {}): StepAnswer => ({
  ...{
    name: 'kubernetes.default.svc.cluster.local.',
    first: false,
    state,
    addresses: [],
    said: state,
    ms: 1,
    queries: 2,
  },
  ...changes,
})
const found = (...addresses: string[]) => step('found', { addresses })
const none = step('none', { name: 'kubernetes.default.default.svc.cluster.local.' })
const silent = step('silent', { ms: null, said: 'no answer to AAAA' })
const judge = (steps: readonly StepAnswer[], libc: Libc = 'glibc', singleMs = 0, expected = ['198.19.0.1']) =>
  judgeWalk('kubernetes.default', steps, libc, expected, singleMs)

describe('a walk', () => {
  test('ends at the right address: passes, and says how many queries that took', () => {
    const { answered, remarks } = judge([none, found('198.19.0.1')])
    expect(answered).toMatchObject({ ok: true })
    expect(answered.detail).toContain('at step 2, after 4 queries, in 2 ms')
    expect(remarks.ok).toBe(true)
  })

  test.each([
    ['another address', [found('203.0.113.1')], 'glibc', 'DNS_WRONG_ANSWER', 'step 1'],
    ['silence', [none, silent], 'glibc', 'DNS_SEARCH_BROKEN', 'step 2 of the search for kubernetes.default'],
    ['SERVFAIL, with musl', [step('servfail')], 'musl', 'DNS_SEARCH_BROKEN', 'musl ends its search there'],
    ['REFUSED, with musl', [step('refused')], 'musl', 'DNS_SEARCH_BROKEN', 'musl ends'],
    ['SERVFAIL to the end, with glibc', [step('servfail'), none], 'glibc', 'DNS_NXDOMAIN', 'not found'],
    ['nothing at any step', [none, none, none], 'glibc', 'DNS_NXDOMAIN', 'any of 3 steps'],
    ['no step at all', [], 'glibc', 'PROBE_INCONCLUSIVE', ''],
  ] as const)('ends with %s', (_, steps, libc, code, text) => {
    const { answered } = judge(steps, libc)
    expect(answered).toMatchObject({ ok: false, code })
    expect(answered.detail).toContain(text)
  })

  test('SERVFAIL on the way warns where glibc goes on', () => {
    const { answered, remarks } = judge([
      step('servfail', { name: 'kubernetes.default.corp.test.' }),
      found('198.19.0.1'),
    ])
    expect(answered.ok).toBe(true)
    expect(remarks).toMatchObject({ ok: false, code: 'DNS_SEARCH_BROKEN' })
    expect(remarks.detail).toContain('kubernetes.default.corp.test.')
  })

  test('silence to the name as it is, asked first, costs and ends nothing', () => {
    const { answered, remarks } = judge([{ ...silent, first: true }, found('198.19.0.1')])
    expect(answered.ok).toBe(true)
    expect(remarks).toMatchObject({ ok: false, code: 'DNS_SEARCH_SLOW' })
  })

  test('any address will do where none is known', () => {
    expect(judgeWalk('x', [found('203.0.113.1')], 'glibc', null, 0).answered.ok).toBe(true)
  })

  test.each([
    ['more than a second beyond single answers', 400, 10, false],
    ['as long as single answers take here', 400, 390, true],
    ['less than a second', 300, 0, true],
  ])('three steps, %s', (_, ms, singleMs, ok) => {
    const slow = { ...none, ms }
    expect(judge([slow, slow, slow, found('198.19.0.1')], 'glibc', singleMs).remarks.ok).toBe(ok)
  })
})

describe('the two answers of a step', () => {
  const result = (type: 'A' | 'AAAA', changes: Partial<DnsResult>): DnsResult => ({
    ...NOTHING,
    ...{ target: target('198.19.0.10'), question: { name: 'x.', type }, state: 'answered', transport: 'udp' },
    ...{ meaning: 'nodata', rcode: 'NOERROR', tries: 1, detail: null, ms: 1 },
    ...changes,
  })
  const dead = { state: 'no-answer', meaning: null, rcode: null, ms: null } as const
  const data = { meaning: 'data', addresses: ['198.19.0.1'] } as const

  test.each([
    ['an address and none', data, {}, 'found', '198.19.0.1'],
    ['an address and silence', data, dead, 'silent', 'no answer to AAAA'],
    ['silence', dead, dead, 'silent', 'no answer to A and AAAA'],
    ['an address and SERVFAIL', data, { meaning: 'servfail', rcode: 'SERVFAIL' }, 'servfail', 'SERVFAIL'],
    ['NXDOMAIN', { meaning: 'nxdomain' }, { meaning: 'nxdomain' }, 'none', 'NXDOMAIN'],
    ['no record of either', {}, {}, 'none', 'no address'],
    [
      'REFUSED',
      { meaning: 'refused', rcode: 'REFUSED' },
      { meaning: 'refused', rcode: 'REFUSED' },
      'refused',
      'REFUSED',
    ],
  ] as const)('%s', (_, a, aaaa, state, said) => {
    expect(readStep([result('A', a), result('AAAA', aaaa)])).toMatchObject({ state, said })
  })
})

describe('a name outside the cluster fails', () => {
  const failed = (code: string) => ({ ok: false as const, code, detail: 'it failed', evidence: [] })
  const cluster = (code: string | null) => ({ target: target('198.19.0.10'), code, said: 'x', ms: null })

  test.each([
    ['SERVFAIL, and the cluster zone answers', 'DNS_SERVFAIL', null, 'DNS_UPSTREAM_BROKEN'],
    ['silence, and the cluster zone answers', 'DNS_NO_ANSWER', null, 'DNS_UPSTREAM_BROKEN'],
    ['SERVFAIL at one replica only', 'BACKEND_DEAD', null, 'DNS_UPSTREAM_BROKEN'],
    ['REFUSED, and there is no cluster zone', 'DNS_REFUSED', 'DNS_NXDOMAIN', 'DNS_UPSTREAM_BROKEN'],
    ['NXDOMAIN: somebody upstream was asked and said so', 'DNS_NXDOMAIN', null, 'DNS_NXDOMAIN'],
    ['silence, as to the cluster’s own names', 'DNS_NO_ANSWER', 'DNS_NO_ANSWER', 'DNS_NO_ANSWER'],
    ['silence over UDP alone', 'DNS_NO_ANSWER', 'DNS_UDP_BLOCKED', 'DNS_UDP_BLOCKED'],
    ['SERVFAIL to everything', 'DNS_SERVFAIL', 'DNS_SERVFAIL', 'DNS_SERVFAIL'],
    ['one dead replica', 'BACKEND_DEAD', 'BACKEND_DEAD', 'BACKEND_DEAD'],
  ])('%s', (_, code, own, expected) => {
    expect(upstreamCause('outside.test', failed(code), cluster(own)).code).toBe(expected)
  })
})
