import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  boundaryOf,
  nextStep,
  type Question,
  type Signal,
  type SizeFacts,
  type Step,
  upperBound,
} from '../../../lib/probe/pmtu/search.ts'
import { likelySizes, plateauSizes, spread } from '../../../lib/probe/pmtu/sizes.ts'
import { random } from '../../lab/icmp-bed.ts'

/** A path as the search sees it: what becomes of one packet. */
interface Path {
  readonly mtu: number
  /** Chance that a packet or its answer is lost. */
  readonly loss: number
  /** What the router says about a packet that is too big; null: nothing. */
  readonly signal: ((size: number) => Signal) | null
}

interface Found {
  readonly step: Step
  readonly rounds: number
  readonly probes: number
}

/** Runs the search against a simulated path; `chance` gives numbers from 0 to 1. */
function search(path: Path, question: Question, chance: () => number): Found {
  const facts = new Map<number, SizeFacts>([
    [question.control, { size: question.control, sent: 1, replies: 1, signals: [], refused: false }],
  ])
  let probes = 0
  const send = (size: number): void => {
    const known = facts.get(size) ?? { size, sent: 0, replies: 0, signals: [], refused: false }
    const lost = chance() < path.loss
    const fits = size <= path.mtu
    probes += 1
    facts.set(size, {
      ...known,
      sent: known.sent + 1,
      replies: known.replies + (fits && !lost ? 1 : 0),
      signals: !fits && !lost && path.signal !== null ? [...known.signals, path.signal(size)] : known.signals,
    })
  }
  send(question.promised)
  for (let rounds = 1; rounds < 60; rounds++) {
    const step = nextStep([...facts.values()], question)
    if (step.kind === 'found' || step.kind === 'give-up') return { step, rounds, probes }
    const sizes = step.kind === 'ask' ? step.sizes : [step.lost, step.passes]
    const times = step.kind === 'ask' ? step.copies : step.times
    for (let time = 0; time < times; time++) for (const size of sizes) send(size)
  }
  throw new Error('the search does not end')
}

const question = (promised: number, family: 4 | 6 = 4): Question => ({
  family,
  promised,
  control: family === 4 ? 36 : 56,
})
const never = () => 1
const chanceFrom = (seed: number) => {
  const pick = random(seed)
  return () => pick(0, 999_999) / 1_000_000
}
const honest = (mtu: number) => () => ({ from: '198.51.100.1', mtu })

describe('without loss', () => {
  const anyPath = fc.integer({ min: 1281, max: 65_535 }).chain((promised) =>
    fc.record({
      promised: fc.constant(promised),
      mtu: fc.integer({ min: 68, max: promised }),
      family: fc.constantFrom(4 as const, 6 as const),
    }),
  )

  test('every black hole is exact within six rounds', () => {
    fc.assert(
      fc.property(anyPath, ({ promised, mtu, family }) => {
        const { step, rounds } = search({ mtu, loss: 0, signal: null }, question(promised, family), never)
        const hi = mtu === promised ? null : mtu + 1
        expect(step).toEqual({ kind: 'found', boundary: { lo: mtu, hi }, by: hi === null ? 'reply' : 'silence' })
        expect(rounds).toBeLessThanOrEqual(mtu < 1280 ? 12 : 6)
      }),
    )
  })

  test('a signalled MTU is verified in one round with few probes', () => {
    fc.assert(
      fc.property(anyPath, ({ promised, mtu, family }) => {
        fc.pre(mtu < promised)
        const { step, rounds, probes } = search(
          { mtu, loss: 0, signal: honest(mtu) },
          question(promised, family),
          never,
        )
        expect(step).toEqual({ kind: 'found', boundary: { lo: mtu, hi: mtu + 1 }, by: 'signal' })
        expect(rounds).toBe(2)
        expect(probes).toBeLessThanOrEqual(5)
      }),
    )
  })

  test('a router that names a wrong size, or none, does not mislead', () => {
    fc.assert(
      fc.property(anyPath, fc.option(fc.integer({ min: 68, max: 65_535 })), ({ promised, mtu, family }, named) => {
        fc.pre(mtu < promised)
        const signal = (size: number) => ({ from: '198.51.100.1', mtu: named !== null && named < size ? named : null })
        const { step } = search({ mtu, loss: 0, signal }, question(promised, family), never)
        expect(step).toMatchObject({ kind: 'found', boundary: { lo: mtu, hi: mtu + 1 }, by: 'signal' })
      }),
    )
  })
})

describe('an error that may have outrun the reply', () => {
  const passed = (size: number): SizeFacts => ({ size, sent: 2, replies: 2, signals: [], refused: false })
  const calledTooBig = (mtu: number | null): SizeFacts => {
    return { size: 1478, sent: 2, replies: 0, signals: [{ from: '198.51.100.66', mtu }], refused: false }
  }

  test.for([[1300], [null]])(
    'names %i, less than what passes: the boundary is asked again before it is believed',
    ([mtu]) => {
      const facts = [passed(36), passed(1477), calledTooBig(mtu ?? null)]
      expect(nextStep(facts, question(1500))).toMatchObject({ kind: 'confirm', passes: 1477, lost: 1478 })
    },
  )

  test('names what passes: that is the path MTU', () => {
    const step = nextStep([passed(36), passed(1477), calledTooBig(1477)], question(1500))
    expect(step).toEqual({ kind: 'found', boundary: { lo: 1477, hi: 1478 }, by: 'signal' })
  })
})

describe('when the router names no size', () => {
  const nameless = () => ({ from: '198.51.100.1', mtu: null })

  test.for([32_000, 17_914, 8166, 4352, 2002, 1492, 1006])(
    'a plateau of %i is found in two rounds, and confirmed',
    (mtu) => {
      const { step, rounds } = search({ mtu, loss: 0, signal: nameless }, question(65_535), never)
      expect(step).toEqual({ kind: 'found', boundary: { lo: mtu, hi: mtu + 1 }, by: 'signal' })
      expect(rounds).toBe(3)
    },
  )

  test('plateaus are asked only then, and stay inside the bracket', () => {
    expect(plateauSizes(1280, 1500)).toEqual([1492, 1493])
    expect(plateauSizes(1491, 1493)).toEqual([1492])
    const silent: SizeFacts[] = [
      { size: 36, sent: 1, replies: 1, signals: [], refused: false },
      { size: 9000, sent: 2, replies: 0, signals: [], refused: false },
    ]
    const step = nextStep(silent, question(9000))
    expect(step.kind === 'ask' && step.sizes).not.toContain(8167)
  })
})

describe('with loss', () => {
  test.for([0.1, 0.19, 0.51])('of %f the number is never wrong, and seldom missing', (loss) => {
    let given = 0
    const runs = 400
    fc.assert(
      fc.property(fc.integer({ min: 1280, max: 1499 }), fc.boolean(), fc.nat(), (mtu, silent, seed) => {
        const chance = chanceFrom(seed)
        const { step } = search({ mtu, loss, signal: silent ? null : honest(mtu) }, question(1500), chance)
        if (step.kind !== 'found') return
        given += 1
        expect(step.boundary).toEqual({ lo: mtu, hi: mtu + 1 })
        expect(step.by).toBe(silent ? 'silence' : 'signal')
      }),
      { numRuns: runs, endOnFailure: true },
    )
    expect(given).toBeGreaterThan(runs * 0.9)
  })

  test('forged sizes beside honest replies never make a wrong number', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1280, max: 1499 }),
        fc.integer({ min: 68, max: 1499 }),
        fc.constantFrom(0, 0.1, 0.3),
        fc.nat(),
        (mtu, named, loss, seed) => {
          const signal = (size: number) => ({ from: '198.51.100.66', mtu: named < size ? named : null })
          const { step } = search({ mtu, loss, signal }, question(1500), chanceFrom(seed))
          if (step.kind === 'found') expect(step.boundary).toEqual({ lo: mtu, hi: mtu + 1 })
        },
      ),
      { numRuns: 400 },
    )
  })

  test('a healthy path is ok however much is lost', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { step } = search({ mtu: 1500, loss: 0.4, signal: null }, question(1500), chanceFrom(seed))
        expect(step.kind === 'found' ? step.boundary : step.kind).toEqual({ lo: 1500, hi: null })
      }),
      { numRuns: 200 },
    )
  })

  test('total loss at the boundary is given up, not guessed', () => {
    const facts: SizeFacts[] = [
      { size: 36, sent: 3, replies: 3, signals: [], refused: false },
      { size: 1400, sent: 70, replies: 3, signals: [], refused: false },
      { size: 1401, sent: 64, replies: 0, signals: [], refused: false },
    ]
    expect(nextStep(facts, question(1500)).kind).toBe('give-up')
  })
})

describe('parts', () => {
  test('spread stays inside and covers small ranges whole', () => {
    fc.assert(
      fc.property(fc.nat(65_000), fc.nat(2000), fc.integer({ min: 1, max: 32 }), (lo, range, count) => {
        const sizes = spread(lo, lo + range, count)
        expect(sizes.length).toBe(Math.max(0, Math.min(count, range - 1)))
        expect(sizes.every((size) => size > lo && size < lo + range)).toBe(true)
        expect(new Set(sizes).size).toBe(sizes.length)
      }),
    )
    expect(spread(10, 14, 32)).toEqual([11, 12, 13])
  })

  test('likely sizes know the overlays of a 1500-byte link', () => {
    const sizes = likelySizes(1500, 1279, 1500, 32)
    for (const known of [1280, 1420, 1430, 1440, 1442, 1450, 1480, 1492]) expect(sizes).toContain(known)
  })

  test('the bracket ignores what was never asked', () => {
    expect(boundaryOf([{ size: 36, sent: 1, replies: 1, signals: [], refused: false }], question(1500))).toEqual({
      lo: 36,
      hi: 1500,
    })
  })

  test('the upper bound of the loss rate is above what was seen, and nearer with more samples', () => {
    expect(upperBound(0, 10)).toBeCloseTo(0.286, 2)
    expect(upperBound(5, 10)).toBeGreaterThan(upperBound(50, 100))
    expect(upperBound(0, 0)).toBe(1)
    expect(upperBound(10, 10)).toBe(1)
  })
})
