import { describe, expect, test } from 'vitest'
import { parseWaivers, waives } from '../../../lib/compare/waivers.ts'
import type { CheckRecord } from '../../../lib/types.ts'
import { result } from '../report/sample.ts'

const CHECKS = ['host/gateway', 'pod/gateway', 'pod/dns-service', 'pod/destination-ping']
const parse = (text: string) => parseWaivers(text, CHECKS)
const entry = (fields: string) => parse(`[{${fields}}]`)
const GOOD = 'check: pod/gateway, reason: ticket 4711, expires: 2030-01-31'

describe('a file', () => {
  test('YAML with every field', () => {
    const { waivers, problems } = parse(`
- check: pod/destination-ping
  code: PACKET_LOSS
  row: other-node
  family: IPv6
  reason: the old switch, ticket 4711
  expires: 2030-01-31
- { check: dns-service, reason: x, expires: "2030-02-28", family: 4 }
`)
    expect(problems).toEqual([])
    expect(waivers).toEqual([
      {
        ...{ check: 'destination-ping', place: 'pod', code: 'PACKET_LOSS', row: 'other-node', family: 6 },
        ...{ reason: 'the old switch, ticket 4711', expires: '2030-01-31' },
      },
      { check: 'dns-service', place: null, code: null, row: null, family: 4, reason: 'x', expires: '2030-02-28' },
    ])
  })

  test('JSON, and an empty file', () => {
    expect(parse('[{"check": "host/gateway", "reason": "x", "expires": "2030-01-31"}]').waivers).toMatchObject([
      { check: 'gateway', place: 'node' },
    ])
    expect(parse('')).toEqual({ waivers: [], problems: [] })
  })

  test.each([
    ['{', /neither YAML nor JSON/],
    ['check: pod/gateway', /holds no list/],
    ['just words', /holds no list/],
  ])('%s', (text, said) => {
    const { waivers, problems } = parse(text)
    expect(waivers).toEqual([])
    expect(problems).toEqual([expect.stringMatching(said)])
  })
})

describe('an entry', () => {
  test.each([
    [
      'check: pod/gatewy, reason: x, expires: 2030-01-31',
      /names check "pod\/gatewy", which does not exist: pod\/gateway\?/,
    ],
    ['check: dns-servce, reason: x, expires: 2030-01-31', /dns-service\?/],
    ['check: host/dns-service, reason: x, expires: 2030-01-31', /names check "host\/dns-service"/],
    ['reason: x, expires: 2030-01-31', /names no check/],
    [`${GOOD}, code: UNREACHABEL`, /has code "UNREACHABEL", which does not exist: UNREACHABLE\?/],
    [`${GOOD}, row: far`, /row is none of named, other-node, same-node/],
    [`${GOOD}, family: 5`, /neither IPv4 nor IPv6/],
    ['check: pod/gateway, expires: 2030-01-31', /has no reason/],
    ['check: pod/gateway, reason: "  ", expires: 2030-01-31', /has no reason/],
    ['check: pod/gateway, reason: x', /has no expires/],
    ['check: pod/gateway, reason: x, expires: 2030-02-31', /no day as YYYY-MM-DD/],
    ['check: pod/gateway, reason: x, expires: 31.1.2030', /no day as YYYY-MM-DD/],
    [`${GOOD}, until: 2030`, /has "until", which is none of/],
  ])('%s', (fields, said) => {
    const { waivers, problems } = entry(fields)
    expect(waivers).toEqual([])
    expect(problems).toEqual([expect.stringMatching(said)])
    expect(problems[0]).toMatch(/^entry 1 /)
  })

  test('all problems of all entries at once, each with its place', () => {
    const { waivers, problems } = parse(`[{${GOOD}}, {check: x, expires: y}, 7, {${GOOD}, row: z}]`)
    expect(waivers).toHaveLength(1)
    expect(problems.map((problem) => problem.slice(0, 7))).toEqual([...Array(3).fill('entry 2'), 'entry 3', 'entry 4'])
  })
})

describe('what it waives', () => {
  const failure = (changes: Partial<CheckRecord> = {}, file = 'checks/pod/destination-ping.test.ts') =>
    result(file, 'x', { verdict: 'fail', code: 'UNREACHABLE', row: 'other-node', family: 4, ...changes })
  const waived = (fields: string, of = failure()) => {
    const { waivers, problems } = entry(`${fields}, reason: x, expires: 2030-01-31`)
    expect(problems).toEqual([])
    return waivers.every((waiver) => waives(waiver, of))
  }

  test.each([
    ['check: destination-ping', true],
    ['check: pod/destination-ping', true],
    ['check: checks/pod/destination-ping.test.ts', true],
    ['check: gateway', false],
    ['check: destination-ping, code: UNREACHABLE', true],
    ['check: destination-ping, code: PACKET_LOSS', false],
    ['check: destination-ping, row: other-node, family: IPv4', true],
    ['check: destination-ping, row: same-node', false],
    ['check: destination-ping, family: 6', false],
  ])('%s: %s', (fields, expected) => {
    expect(waived(fields)).toBe(expected)
  })

  test('from its place only, where it names one', () => {
    const onNode = failure({ place: 'node' }, 'checks/host/gateway.test.ts')
    expect(waived('check: host/gateway', onNode)).toBe(true)
    expect(waived('check: pod/gateway', onNode)).toBe(false)
    expect(waived('check: gateway', onNode)).toBe(true)
  })

  test('what could not be looked at is never waived', () => {
    expect(waived('check: destination-ping', failure({ verdict: 'inconclusive', code: 'TIMED_OUT' }))).toBe(false)
  })
})
