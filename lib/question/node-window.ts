/** The node's counters at the start of this process and some time later: what moves in between moves during the run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readStatistics } from '../node/statistics.ts'
import type { Window } from '../probe/state/pressure.ts'

/** A shorter window says little. */
const LEAST_MS = 250

const started = performance.now()
const before = readStatistics()
let ended: Promise<Window> | undefined

/** One window for all who ask. */
export function nodeWindow(): Promise<Window> {
  ended ??= sleep(Math.max(0, started + LEAST_MS - performance.now())).then(() => ({ before, after: readStatistics() }))
  return ended
}
