import { describe, expect, it } from 'vitest'
import { clockExplains, judgeClock, skewOf } from '../../../lib/probe/state/clock.ts'

const NOW = Date.parse('2026-06-01T12:00:00Z')
/** What is read when this machine's clock is `ahead` ms ahead and an answer takes `ms`. */
const clock = (ahead: number, ms = 10) => ({
  date: Math.floor(NOW / 1000) * 1000,
  sent: NOW + ahead - ms / 2,
  received: NOW + ahead + ms / 2,
})
const judge = (...clocks: ReturnType<typeof clock>[]) =>
  judgeClock(clocks.map((one) => ({ server: '198.51.100.1', clock: one })))

describe('judgeClock', () => {
  it.each([0, 900, -900, 5500, -4900])('%i ms apart is fine', (ahead) => {
    expect(judge(clock(ahead))).toMatchObject({ is: 'fine' })
  })

  it('an answer that took long proves nothing', () => {
    expect(skewOf(clock(0, 60_000))).toBe(0)
    expect(judge(clock(20_000, 60_000))).toMatchObject({ is: 'fine' })
  })

  it.each([
    [7000, 'doubtful', '6 s ahead of'],
    [-7000, 'doubtful', '7 s behind'],
    [90_000, 'broken', '89 s ahead of'],
    [-7_200_000, 'broken', '2 h behind'],
  ] as const)('%i ms apart', (ahead, is, words) => {
    expect(judge(clock(ahead))).toMatchObject({ is, code: 'CLOCK_SKEW', detail: expect.stringContaining(words) })
  })

  it('of several servers the worst counts', () => {
    expect(judge(clock(0), clock(90_000), clock(6500))).toMatchObject({ is: 'broken' })
  })

  it('without a Date it does not apply', () => {
    expect(judge()).toMatchObject({ is: 'not-applicable' })
  })
})

describe('clockExplains', () => {
  const DAY = 86_400_000
  const certificate = (from: number, to: number) => ({
    ...{ subject: 'CN=a', issuer: 'CN=b', altNames: [] },
    validFrom: new Date(NOW + from).toISOString(),
    validTo: new Date(NOW + to).toISOString(),
  })

  it('it has expired by our clock only', () => {
    expect(clockExplains(certificate(-DAY, DAY), clock(3 * DAY))).toContain('72 h ahead')
  })
  it('it is not valid yet by our clock only', () => {
    expect(clockExplains(certificate(-DAY, DAY), clock(-3 * DAY))).toContain('72 h behind')
  })
  it('it has expired by both', () => {
    expect(clockExplains(certificate(-2 * DAY, -DAY), clock(0))).toBeNull()
    expect(clockExplains(certificate(-2 * DAY, -DAY), clock(3 * DAY))).toBeNull()
  })
  it('its own dates are fine: who signed it is out of time', () => {
    expect(clockExplains(certificate(-DAY, DAY), clock(0))).toBeNull()
  })
})
