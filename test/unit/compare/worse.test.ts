/** Noise never is a regression, and a real shift is one: on drawn times and on recorded ones. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Share } from '../../../lib/compare/statistics.ts'
import { DNS_MARGIN, lossier, ROUND_TRIP_MARGIN, slower, worsenings } from '../../../lib/compare/worse.ts'
import type { Evidence, Result } from '../../../lib/types.ts'
import { result } from '../report/sample.ts'

/** mulberry32: draws that a seed repeats. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
const exponential = (draw: () => number, mean: number): number => -mean * Math.log(1 - draw())

/** A busy node: every echo waits a little, some wait long, and in some runs all wait longer (the least of five was never above 1 ms in what was recorded). */
function noisyRoundTrips(draw: () => number, base: number, count: number): number[] {
  const load = draw() < 0.3 ? 3 : 1
  const burst = draw() < 0.2 ? Math.min(1.5, exponential(draw, 0.5)) : 0
  return Array.from({ length: count }, () => {
    const stall = draw() < 0.1 ? exponential(draw, 80) : 0
    return base + burst + exponential(draw, 0.3) * load + stall
  })
}

/** Answers of a program on a busy node: a whole run may be many times slower than another. */
function noisyAnswers(draw: () => number, count: number): number[] {
  const run = Math.min(90, Math.exp(2.2 + 0.9 * (draw() + draw() + draw() - 1.5) * 2))
  return Array.from({ length: count }, () => run * (0.7 + 0.6 * draw()) + (draw() < 0.05 ? exponential(draw, 100) : 0))
}

const DRAWS = 3000
const seeds = fc.integer({ min: 1, max: 2 ** 31 })

describe('round trip times', () => {
  const judge = (now: readonly number[], before: readonly (readonly number[])[]) =>
    slower('RTT_HIGHER', now, before, ROUND_TRIP_MARGIN)

  test('noise is no regression, with one baseline and with several', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.double({ min: 0.03, max: 60, noNaN: true }),
        fc.integer({ min: 1, max: 4 }),
        (seed, base, runs) => {
          const draw = random(seed)
          const before = Array.from({ length: runs }, () => noisyRoundTrips(draw, base, 5))
          expect(judge(noisyRoundTrips(draw, base, 5), before)).toBeNull()
        },
      ),
      { numRuns: DRAWS },
    )
  })

  test.each([
    ['0.2 ms become 10 ms', 0.2, 10, 300],
    ['1 ms becomes 8 ms', 1, 8, 250],
    ['20 ms become 60 ms', 20, 60, 300],
  ])('a longer way is seen although every tenth echo stalls: %s', (_, base, now, least) => {
    const draw = random(7)
    const found = Array.from({ length: 500 }, () =>
      judge(noisyRoundTrips(draw, now, 5), [noisyRoundTrips(draw, base, 5)]),
    ).filter((one) => one !== null)
    expect(found.length).toBeGreaterThan(least)
    expect(found[0]).toMatchObject({ code: 'RTT_HIGHER', unit: 'ms' })
  })

  test('a faster way, three echoes, and nothing to compare with say nothing', () => {
    expect(judge([1, 1, 1, 1, 1], [[9, 9, 9, 9, 9]])).toBeNull()
    expect(judge([50, 51, 52], [[1, 1.1, 1.2]])).toBeNull()
    expect(judge([50, 51, 52, 53, 54], [])).toBeNull()
    expect(judge([50, 51, 52, 53, 54], [[]])).toBeNull()
  })

  test('one slow run among the earlier ones is enough to have seen that before', () => {
    const [fast, slow] = [
      [1, 1.1, 1.2, 1.3, 1.4],
      [50, 51, 52, 53, 54],
    ]
    expect(judge(slow, [fast, fast])).not.toBeNull()
    expect(judge(slow, [fast, slow])).toBeNull()
  })
})

describe('DNS', () => {
  const judge = (now: readonly number[], before: readonly (readonly number[])[]) =>
    slower('DNS_SLOWER', now, before, DNS_MARGIN)

  test('noise is no regression', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const draw = random(seed)
        expect(judge(noisyAnswers(draw, 40), [noisyAnswers(draw, 40)])).toBeNull()
      }),
      { numRuns: DRAWS },
    )
  })

  interface Run {
    readonly cluster: string
    readonly ms: Readonly<Record<string, readonly number[]>>
  }
  const RUNS: readonly Run[] = JSON.parse(
    readFileSync(new URL('../../fixtures/compare/dns-times.json', import.meta.url), 'utf8'),
  )

  test('no healthy run that was recorded is a regression beside any other of its cluster', () => {
    const pairs = RUNS.flatMap((before) =>
      RUNS.filter((now) => now !== before && now.cluster === before.cluster).map((now) => ({ before, now })),
    )
    expect(pairs.length).toBeGreaterThan(1000)
    const found = pairs.flatMap(({ before, now }) =>
      Object.entries(now.ms).flatMap(([check, times]) => judge(times, [before.ms[check] ?? []]) ?? []),
    )
    expect(found).toEqual([])
  })

  test('what would be a regression with less margin: the recorded noise is not harmless', () => {
    const found = RUNS.flatMap((now) =>
      RUNS.flatMap((before) =>
        Object.entries(now.ms).flatMap(
          ([check, times]) => slower('DNS_SLOWER', times, [before.ms[check] ?? []], { times: 2, ms: 20 }) ?? [],
        ),
      ),
    )
    expect(found.length).toBeGreaterThan(50)
  })

  test('half a second more for every answer is seen in each recorded run', () => {
    for (const { ms } of RUNS) {
      for (const times of Object.values(ms).filter(({ length }) => length >= 5)) {
        expect(
          judge(
            times.map((time) => time * 3 + 500),
            [times],
          ),
        ).toMatchObject({ code: 'DNS_SLOWER' })
      }
    }
  })
})

describe('loss', () => {
  /** As the probe does it: five echoes a target, twenty more where one is lost. */
  function echoes(draw: () => number, rate: number, targets: number): Share {
    let [lost, sent] = [0, 0]
    for (let target = 0; target < targets; target++) {
      let budget = 5
      for (let echo = 0; echo < budget; echo++) {
        sent++
        if (draw() >= rate) continue
        lost++
        budget = 25
      }
    }
    return { lost, sent }
  }

  test('the same share of loss is, in thousands of draws, as good as never a regression', () => {
    const draw = random(11)
    let found = 0
    for (let time = 0; time < 20_000; time++) {
      const rate = [0, 0.002, 0.01, 0.03][time % 4] as number
      if (lossier(echoes(draw, rate, 8), [echoes(draw, rate, 8)])) found++
    }
    expect(found).toBeLessThanOrEqual(20)
  })

  test('an eighth of all packets lost is seen in most runs of eight targets beside three earlier ones', () => {
    const draw = random(13)
    const found = Array.from({ length: 500 }, () =>
      lossier(
        echoes(draw, 0.125, 8),
        Array.from({ length: 3 }, () => echoes(draw, 0, 8)),
      ),
    )
    expect(found.filter((one) => one !== null).length).toBeGreaterThan(400)
  })

  test.each<[string, Share, readonly Share[], boolean]>([
    ['five of five answered says little', { lost: 1, sent: 25 }, [{ lost: 0, sent: 5 }], false],
    ['within the margin', { lost: 40, sent: 1000 }, [{ lost: 0, sent: 1000 }], false],
    ['beyond it', { lost: 90, sent: 1000 }, [{ lost: 0, sent: 1000 }], true],
    ['as lossy as before', { lost: 90, sent: 1000 }, [{ lost: 80, sent: 1000 }], false],
    ['nothing was sent before', { lost: 5, sent: 5 }, [{ lost: 0, sent: 0 }], false],
  ])('%s', (_, now, before, worse) => {
    expect(lossier(now, before) !== null).toBe(worse)
  })
})

describe('results', () => {
  const path = (measured: number | null): Evidence => ({
    kind: 'path',
    name: 'path',
    hops: [],
    mtu: { promised: 1500, measured, signalledBy: null },
  })
  const asked = (evidence: readonly Evidence[]): Result =>
    result('checks/pod/mtu-destination.test.ts', 'full-size packets reach a pod', {
      verdict: 'pass',
      family: 4,
      evidence,
    })

  test.each<[string, number | null, readonly (number | null)[], boolean]>([
    ['one byte less', 1499, [1500], true],
    ['the same', 1500, [1500], false],
    ['more', 1500, [1400], false],
    ['as low as it was once', 1450, [1500, 1450], false],
    ['not measured now', null, [1500], false],
    ['not measured before', 1400, [null], false],
  ])('a path MTU is exact: %s', (_, now, before, worse) => {
    const found = worsenings([{ now: asked([path(now)]), before: before.map((mtu) => asked([path(mtu)])) }])
    expect(found.map(({ code }) => code)).toEqual(worse ? ['PATH_MTU_REDUCED'] : [])
  })

  test('of several paths the least counts, and one that is not known hides it', () => {
    const before = [asked([path(1500), path(1450)])]
    expect(worsenings([{ now: asked([path(1500), path(1400)]), before }])).toMatchObject([{ before: 1450, now: 1400 }])
    expect(worsenings([{ now: asked([path(null), path(1400)]), before }])).toEqual([])
  })

  const echoTable = (sent: number, received: number): Evidence => ({
    kind: 'table',
    name: 'echoes',
    columns: ['target', 'address', 'sent', 'received', 'loss %', 'min ms', 'avg ms', 'max ms'],
    rows: [['a pod', '192.0.2.1', sent, received, 0, 1, 1, 1]],
  })

  test('loss that no check shows by itself is seen over all pings of a place', () => {
    const pings = Array.from({ length: 8 }, (_, index) => ({
      now: { ...asked([echoTable(25, 23)]), id: `${index}` },
      before: [1, 2, 3].map(() => asked([echoTable(5, 5)])),
    }))
    const found = worsenings(pings)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ code: 'LOSS_HIGHER', name: 'all pings together, from the pod', before: 0, now: 8 })
    expect(found[0]).not.toHaveProperty('id')
  })

  test('DNS times are those of DNS checks, round trips those of pings', () => {
    const samples = (name: string, values: readonly number[]): Evidence => ({
      kind: 'samples',
      name,
      unit: 'ms',
      values,
    })
    const [low, high] = [
      [10, 11, 12, 13, 14, 15],
      [900, 901, 902, 903, 904, 905],
    ]
    const dns = (values: readonly number[]) =>
      result('checks/pod/dns-service.test.ts', 'x', { verdict: 'pass', evidence: [samples('time to answer', values)] })
    const tcp = (values: readonly number[]) =>
      result('checks/pod/endpoints-port.test.ts', 'x', {
        verdict: 'pass',
        evidence: [samples('time to answer', values)],
      })
    const ping = (values: readonly number[]) =>
      result('checks/pod/external-ping.test.ts', 'x', {
        verdict: 'pass',
        evidence: [samples('round trip times', values)],
      })
    const codes = (ask: typeof dns) => worsenings([{ now: ask(high), before: [ask(low)] }]).map(({ code }) => code)
    expect(codes(dns)).toEqual(['DNS_SLOWER'])
    expect(codes(tcp)).toEqual([])
    expect(codes(ping)).toEqual(['RTT_HIGHER'])
  })
})
