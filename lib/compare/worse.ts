/**
 * What is measurably worse than in earlier runs although it is answered. Pure.
 *
 * Times of one run are not independent: a busy node delays all of them. So a test within the runs is not enough, and a regression
 * must also lie beyond margins that runs of one healthy cluster on an overloaded machine do not reach among each other: its least
 * time and its median, beside those of the slowest earlier run.
 */
import type { Code, Result, Worsening } from '../types.ts'
import { dnsTimesOf, lossOf, pathMtuOf, roundTripsOf } from './figures.ts'
import { medianOf, probabilityNotAbove, probabilityOfLoss, type Share } from './statistics.ts'

/** What chance may make of one comparison. */
const ALPHA = 0.01

interface Margin {
  readonly times: number
  readonly ms: number
}

/** A ping's least time hardly depends on the load of the machine; the answer of a program does. */
export const ROUND_TRIP_MARGIN: Margin = { times: 2, ms: 3 }
export const DNS_MARGIN: Margin = { times: 3, ms: 200 }
/** Points of the share of lost echoes. */
export const LOSS_MARGIN = 0.05

/** Results that have an answer now, each with its earlier ones (of runs that had an answer too). */
export interface Answered {
  readonly now: Result
  readonly before: readonly Result[]
}

/** At most one worsening a check and kind; loss also over all pings of a place, which are many where each has few echoes. */
export function worsenings(answered: readonly Answered[]): Worsening[] {
  const compared = answered.filter(({ before }) => before.length > 0)
  const single = compared.flatMap(({ now, before }): Worsening[] => {
    const about = { id: now.id, name: now.name }
    const found = [
      slower('RTT_HIGHER', roundTripsOf(now), before.map(roundTripsOf), ROUND_TRIP_MARGIN),
      slower('DNS_SLOWER', dnsTimesOf(now), before.map(dnsTimesOf), DNS_MARGIN),
      lossier(lossOf(now), before.map(lossOf)),
      lowerMtu(pathMtuOf(now), before.map(pathMtuOf)),
    ]
    return found.flatMap((one) => (one === null ? [] : [{ ...about, ...one }]))
  })
  return [...single, ...(['node', 'pod'] as const).flatMap((place) => lossierPlace(place, compared, single))]
}

type Figures = Omit<Worsening, 'id' | 'name'>

/** Least time and median beyond the margin to those of every earlier run, and a difference that is no chance. */
export function slower(
  code: Code,
  now: readonly number[],
  before: readonly (readonly number[])[],
  { times, ms }: Margin,
): Figures | null {
  const earlier = before.filter((values) => values.length > 0)
  if (now.length === 0 || earlier.length === 0) return null
  const beyond = (figure: (values: readonly number[]) => number) => {
    const worst = Math.max(...earlier.map(figure))
    return figure(now) >= worst * times && figure(now) - worst >= ms
  }
  const least = (values: readonly number[]) => values.reduce((low, value) => Math.min(low, value))
  if (!beyond(least) || !beyond(medianOf)) return null
  const p = probabilityNotAbove(earlier.flat(), now)
  if (p >= ALPHA) return null
  return { code, unit: 'ms', before: rounded(Math.max(...earlier.map(medianOf))), now: rounded(medianOf(now)), p }
}

/** The share now beside that of all earlier runs together. */
export function lossier(now: Share, before: readonly Share[]): Figures | null {
  const earlier = before.reduce((sum, { lost, sent }) => ({ lost: sum.lost + lost, sent: sum.sent + sent }), {
    lost: 0,
    sent: 0,
  })
  if (now.lost === 0 || earlier.sent === 0) return null
  const [shareNow, shareBefore] = [now.lost / now.sent, earlier.lost / earlier.sent]
  if (shareNow - shareBefore < LOSS_MARGIN) return null
  const p = probabilityOfLoss(earlier, now)
  if (p >= ALPHA) return null
  const percent = (share: number) => Math.round(share * 1000) / 10
  return { code: 'LOSS_HIGHER', unit: '%', before: percent(shareBefore), now: percent(shareNow), p }
}

/** Exact: lower than in every earlier run that measured it. */
function lowerMtu(now: number | null, before: readonly (number | null)[]): Figures | null {
  const earlier = before.filter((mtu) => mtu !== null)
  if (now === null || earlier.length === 0) return null
  const least = Math.min(...earlier)
  return now < least ? { code: 'PATH_MTU_REDUCED', unit: 'bytes', before: least, now, p: null } : null
}

function lossierPlace(
  place: Result['place'],
  compared: readonly Answered[],
  single: readonly Worsening[],
): readonly Worsening[] {
  const own = compared.filter(({ now }) => now.place === place)
  if (single.some(({ code, id }) => code === 'LOSS_HIGHER' && own.some(({ now }) => now.id === id))) return []
  const sum = (shares: readonly Share[]): Share => ({
    lost: shares.reduce((total, { lost }) => total + lost, 0),
    sent: shares.reduce((total, { sent }) => total + sent, 0),
  })
  const found = lossier(
    sum(own.map(({ now }) => lossOf(now))),
    own.map(({ before }) => sum(before.map(lossOf))),
  )
  return found === null ? [] : [{ name: `all pings together, from the ${place}`, ...found }]
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100
