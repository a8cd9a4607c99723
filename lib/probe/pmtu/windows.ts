/**
 * Which counters follow the probes: echoes of one size are sent in windows of 7, 0 and 11 while counters are read. What moves in
 * both busy windows and rests in the empty one was moved by the probes; anything else is noise.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Counters, difference } from '../../node/counters.ts'
import { openEchoes } from '../../socket/icmp-echo.ts'
import type { Family, Target } from '../../types.ts'

const WINDOWS = [7, 0, 11] as const
/** Between two echoes, and after the last one of a window. */
const PACE_MS = 4
const SETTLE_MS = 120

/** How far the counters moved in each window. */
export type Movement = readonly [busy: Counters, empty: Counters, busier: Counters]

/** Sends the windows to `target` with packets of `packetBytes`; `read` gives the counters of one namespace, or null. */
export async function watchWindows<K extends string>(
  target: Target,
  packetBytes: number,
  readers: Readonly<Record<K, () => Counters | null>>,
): Promise<Readonly<Record<K, Movement>> | null> {
  const opening = openEchoes(target.family)
  if (!opening.ok) return null
  const names = Object.keys(readers) as K[]
  const readAll = () => names.map((name) => readers[name]())
  const deltas: Counters[][] = []
  try {
    for (const count of WINDOWS) {
      const before = readAll()
      for (let sent = 0; sent < count; sent++) {
        opening.echoes.send(target.address, packetBytes, () => undefined)
        await sleep(PACE_MS)
      }
      await sleep(SETTLE_MS)
      const after = readAll()
      deltas.push(names.map((_, index) => difference(before[index] ?? {}, after[index] ?? {})))
    }
  } finally {
    opening.echoes.close()
  }
  const movement = (index: number) => deltas.map((window) => window[index] ?? {}) as unknown as Movement
  return Object.fromEntries(names.map((name, index) => [name, movement(index)])) as Record<K, Movement>
}

/** What may move in the empty window, by other traffic. */
const NOISE = 1

type Follows = (movement: Movement, quantity: (moved: Counters) => number) => boolean

/** Whether a quantity moved with the probes, at least so often for each of them. */
const followsBy =
  (share: number): Follows =>
  (movement, quantity) => {
    const [busy, empty, busier] = movement.map(quantity) as [number, number, number]
    return busy >= WINDOWS[0] * share && empty <= NOISE && busier >= WINDOWS[2] * share
  }

/** Once for each probe. */
export const followsEach = followsBy(1)

/** For most of them: an answer may be lost, or left out by a router that limits its errors. */
export const followsMost = followsBy(1 / 2)

const ipName = (family: Family): string => (family === 4 ? 'Ip' : 'Ip6')

/** Packets cut in pieces here, of either family: a tunnel's outer one may differ from the inner. */
export const fragmented = (moved: Counters): number => (moved['Ip.FragCreates'] ?? 0) + (moved['Ip6.FragCreates'] ?? 0)

/** Packets that this host would have to cut and may not: it answers each with "too big" (net/ipv4/ip_forward.c, ip6_output.c). */
export const refusedAsTooBig =
  (family: Family) =>
  (moved: Counters): number =>
    moved[`${ipName(family)}.FragFails`] ?? 0

/** Packets that came in and went neither on nor up: dropped by a rule of this namespace. */
export const dropped =
  (family: Family) =>
  (moved: Counters): number => {
    const of = (name: string) => moved[`${ipName(family)}.${name}`] ?? 0
    return of('InReceives') - of('InDelivers') - passedOn(family)(moved)
  }

/**
 * Packets that were passed on. OutTransmits (Linux 6.7) counts what truly leaves, OutRequests what this host sends itself; before, the
 * counters of forwarding were moved behind the firewall's hook.
 */
export const passedOn =
  (family: Family) =>
  (moved: Counters): number => {
    const of = (name: string) => moved[`${ipName(family)}.${name}`]
    const transmitted = of('OutTransmits')
    if (transmitted !== undefined) return transmitted - (of('OutRequests') ?? 0)
    return (family === 4 ? of('ForwDatagrams') : of('OutForwDatagrams')) ?? 0
  }
