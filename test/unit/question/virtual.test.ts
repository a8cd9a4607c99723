/** One dead backend of N, random loss, and what a virtual address says of each. */
import { describe, expect, test } from 'vitest'
import { attemptsFor } from '../../../lib/probe/tcp.ts'
import { askVirtual } from '../../../lib/question/virtual.ts'
import type { Answer, Target } from '../../../lib/types.ts'

const target: Target = { role: 'x', name: 'web', address: '198.19.0.9', family: 4, protocol: 'tcp', port: 80 }
const good: Answer = { target, code: null, said: 'connected', ms: 1 }
const resent: Answer = { ...good, ms: 1030, resent: true }
const silent: Answer = { target, code: 'UNREACHABLE', said: 'no answer to any SYN', ms: null }
const refused: Answer = { target, code: 'NOTHING_LISTENING', said: 'the connection was refused', ms: 1 }

const calm = async () => false
const lossy = async () => true

/** Rounds of answers: the n-th attempt of every round is `answers[n % length]`. */
const rounds = (...patterns: readonly Answer[][]) => {
  let round = 0
  const ask = async (times: number): Promise<Answer[]> => {
    const pattern = patterns[Math.min(round++, patterns.length - 1)] as Answer[]
    return Array.from({ length: times }, (_, turn) => pattern[turn % pattern.length] as Answer)
  }
  return { ask, asked: () => round }
}

describe('a virtual address with four backends', () => {
  test('it falls silent between the rounds: unreachable, not random loss', async () => {
    const almost = [silent, ...Array.from({ length: attemptsFor(4) - 1 }, () => good)]
    expect(await askVirtual(target, 4, rounds(almost, [silent]).ask, calm)).toMatchObject({ ok: false })
  })

  test('all answer: it passes after one round', async () => {
    const { ask, asked } = rounds([good])
    expect(await askVirtual(target, 4, ask, calm)).toMatchObject({ ok: true })
    expect(asked()).toBe(1)
  })

  test('a quarter is silent to the end: a backend is dead', async () => {
    const outcome = await askVirtual(target, 4, rounds([good, good, good, silent]).ask, calm)
    expect(outcome).toMatchObject({ ok: false, code: 'BACKEND_DEAD' })
    expect(outcome.detail).toContain('no answer to any SYN')
  })

  test('a quarter answers only to a repeat: a backend is dead, though every attempt ended well', async () => {
    const outcome = await askVirtual(target, 4, rounds([good, good, good, resent]).ask, calm)
    expect(outcome).toMatchObject({ ok: false, code: 'BACKEND_DEAD' })
    expect(outcome.detail).toContain('a repeat met another backend')
  })

  test('paths that lose packets anyway explain the same', async () => {
    const outcome = await askVirtual(target, 4, rounds([good, good, good, silent]).ask, lossy)
    expect(outcome).toMatchObject({ ok: true })
    expect(outcome.detail).toMatch(/\d+ of 98 first packets were lost/)
  })

  test('what is lost in one round only is loss, not a dead backend', async () => {
    const { ask, asked } = rounds([good, good, good, resent], [good])
    expect(await askVirtual(target, 4, ask, calm)).toMatchObject({ ok: true })
    expect(asked()).toBe(2)
  })

  test('one lost packet of many is no dead backend', async () => {
    const one = [silent, ...Array.from({ length: 48 }, () => good)]
    expect(await askVirtual(target, 4, rounds(one).ask, calm)).toMatchObject({ ok: true })
  })

  test('a refusal needs no second round', async () => {
    const { ask, asked } = rounds([good, good, good, refused])
    expect(await askVirtual(target, 4, ask, calm)).toMatchObject({ ok: false, code: 'BACKEND_DEAD' })
    expect(asked()).toBe(1)
  })

  test('nothing but silence is a dead path', async () => {
    expect(await askVirtual(target, 4, rounds([silent]).ask, lossy)).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  })

  test('a refusal that was heard once says more than much silence', async () => {
    const outcome = await askVirtual(target, 4, rounds([silent, silent, silent, refused]).ask, calm)
    expect(outcome).toMatchObject({ ok: false, code: 'NOTHING_LISTENING' })
  })
})

describe('a virtual address with one backend', () => {
  test('a repeat that was answered is no dead backend', async () => {
    expect(await askVirtual(target, 1, rounds([resent]).ask, calm)).toMatchObject({ ok: true })
  })

  test('silence is a dead path', async () => {
    expect(await askVirtual(target, 1, rounds([silent]).ask, calm)).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  })
})

test('a dead backend is missed once in a thousand runs at most, and 2 % loss taken for one as seldom', async () => {
  const random = mulberry32(20_261_123)
  const run = async (probability: number) => {
    const ask = async (times: number) => Array.from({ length: times }, () => (random() < probability ? resent : good))
    return (await askVirtual(target, 4, ask, calm)).ok
  }
  const outcomes = async (probability: number) =>
    (await Promise.all(Array.from({ length: 2000 }, () => run(probability)))).filter((ok) => !ok).length
  expect(attemptsFor(4)).toBe(49)
  expect(await outcomes(1 / 4)).toBeGreaterThanOrEqual(1994)
  expect(await outcomes(0.02)).toBeLessThanOrEqual(6)
})

/** A small seeded generator, so that the figures above are the same in every run. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}
