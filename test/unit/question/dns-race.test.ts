/** The race of A and AAAA told from random loss, a dead replica and a dropped type. */
import { describe, expect, test } from 'vitest'
import { NotApplicable } from '../../../lib/failure.ts'
import type { BurstFate, BurstResult } from '../../../lib/probe/dns-burst.ts'
import { judgeRace, type Round } from '../../../lib/question/dns-race.ts'
import { target } from './sample-plan.ts'

const server = target('198.19.0.10', { protocol: 'udp', port: 53 })
const fate = (...fates: BurstFate[]): BurstResult => ({ fates, ms: fates.every((one) => one === 'first') ? 1 : null })
const many = (count: number, of: BurstResult, rest: BurstResult, total: number) =>
  Array.from({ length: total }, (_, index) => (index < count ? of : rest))
const PAIR = fate('first', 'first')
const SINGLE = fate('first')
const HALF = fate('first', 'repeat')
const GONE = fate('never', 'never')

const round = (
  lost: number,
  alone = 0,
  { moved = 0, noise = 0, pair = HALF }: { moved?: number; noise?: number; pair?: BurstResult } = {},
): Round => ({
  pairs: many(lost, pair, PAIR, 20),
  duringPairs: { insert_failed: moved, drop: 0 },
  singles: many(alone, fate('repeat'), SINGLE, 40),
  duringSingles: { insert_failed: noise, drop: 0 },
})
const judge = (...rounds: readonly Round[]) => judgeRace(server, rounds, 'n1')

describe('the race', () => {
  test('a steady part of the pairs loses one query, single ones none', () => {
    const outcome = judge(round(9), round(8))
    expect(outcome).toMatchObject({ ok: false, code: 'DNS_RACE' })
    expect(outcome.detail).toContain('17 of 40 pairs')
    expect(outcome.detail).toContain('17 were answered when asked again a second later')
  })

  test('few pairs, each counted by conntrack, and none while single queries were sent', () => {
    const outcome = judge(round(2, 0, { moved: 2 }), round(1, 0, { moved: 1 }))
    expect(outcome).toMatchObject({ ok: false, code: 'DNS_RACE' })
    expect(outcome.detail).toContain("insert_failed and drop of node n1's conntrack moved by 3 meanwhile")
  })
})

describe('no race', () => {
  test.each([
    ['few pairs, and conntrack counted none', [round(2), round(1)]],
    [
      'few pairs, and conntrack counts at other times too',
      [round(2, 0, { moved: 2, noise: 1 }), round(2, 0, { moved: 2 })],
    ],
    ['few pairs, and a single query was lost', [round(2, 1, { moved: 2 }), round(2, 0, { moved: 2 })]],
    ['in one round only', [round(12), round(0)]],
    ['both of a pair are lost: not what the race does', [round(8, 0, { pair: GONE }), round(8, 0, { pair: GONE })]],
  ])('%s', (_, rounds) => {
    expect(judge(...rounds)).toMatchObject({ ok: true })
  })

  test('single queries are lost as well: the question does not apply', () => {
    expect(() => judge(round(10, 20), round(10, 20))).toThrow(NotApplicable)
  })

  test('statistics that cannot be read prove nothing', () => {
    const blind = { ...round(3), duringPairs: null, duringSingles: null }
    expect(judge(blind, blind)).toMatchObject({ ok: true })
    const steady = { ...round(9), duringPairs: null, duringSingles: null }
    expect(judge(steady, steady)).toMatchObject({ ok: false, code: 'DNS_RACE' })
  })
})

test('2 % loss of packets is never taken for a race', () => {
  let seed = 20_261_125
  const random = () => {
    seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5
    return ((seed ^ (seed >>> 14)) >>> 0) / 4_294_967_296
  }
  // query and answer
  const query = (): BurstFate => (random() < 0.04 ? 'repeat' : 'first')
  const lossy = (): Round => ({
    ...round(0),
    pairs: Array.from({ length: 20 }, () => fate(query(), query())),
    singles: Array.from({ length: 40 }, () => fate(query())),
  })
  const red = Array.from({ length: 5000 }, () => {
    try {
      return !judge(lossy(), lossy()).ok
    } catch {
      return false
    }
  })
  expect(red.filter(Boolean)).toHaveLength(0)
})
