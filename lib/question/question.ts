/**
 * What a check asks, kept apart from its verdict: a question is asked once a row in a process, and its answer shared.
 *
 * Checks in one namespace run one after the other, so dead paths would add up their time budgets. When the first answer of a
 * process is late, all its other questions are asked at once: dead paths are then waited for together. A healthy run
 * never gets there.
 */

import { sendingBesideOthers } from '../quiet.ts'
import type { DestinationRow, Family, Place, Plan } from '../types.ts'

/** One asking of a question: a family, and for destination pods which of them. */
export interface Asking {
  readonly family: Family
  readonly destination?: DestinationRow
}

/** An answer later than this, in ms, is a sign of trouble. */
const LATE_MS = 700

interface Known {
  readonly place: Place | 'both'
  readonly rows: readonly Asking[]
  ask(plan: Plan, row: Asking, place: Place): Promise<unknown>
}

const registered: Known[] = []
let lookingAhead = false

export const families: readonly Asking[] = [{ family: 4 }, { family: 6 }]
export const destinations: readonly Asking[] = (['named', 'other-node', 'same-node'] as const).flatMap((destination) =>
  families.map(({ family }) => ({ family, destination })),
)

/** Destination pods that may be on this node. */
export const destinationsHere = destinations.filter(({ destination }) => destination !== 'other-node')

/**
 * Makes a question. `ask` throws NotApplicable or Inconclusive where the plan does not allow it to be asked, and is called
 * at most once for each row. `place`: who asks it; 'never ahead' questions wait for their turn (they need a quiet path).
 */
export function question<A extends Asking, T>(
  place: Place | 'both' | 'never ahead',
  rows: readonly A[],
  ask: (plan: Plan, row: A, place: Place) => Promise<T>,
): (plan: Plan, place: Place, row: A) => Promise<T> {
  const answers = new Map<string, Promise<T>>()
  const shared = (plan: Plan, row: A, from: Place): Promise<T> => {
    const key = `${plan.runId} ${row.family} ${row.destination ?? ''}`
    const known = answers.get(key)
    if (known) return known
    const answer = ask(plan, row, from)
    answers.set(key, answer)
    return answer
  }
  // what needs a quiet path takes its time on any: that it is late says nothing
  if (place === 'never ahead') return (plan, from, row) => shared(plan, row, from)
  registered.push({ place, rows, ask: (plan, row, from) => shared(plan, row as A, from) })
  return async (plan, from, row) => {
    const late = setTimeout(() => lookAhead(plan, from), LATE_MS)
    try {
      return await shared(plan, row, from)
    } finally {
      clearTimeout(late)
    }
  }
}

function lookAhead(plan: Plan, place: Place): void {
  if (lookingAhead) return
  lookingAhead = true
  for (const known of registered) {
    if (known.place !== place && known.place !== 'both') continue
    // the check that asks it in its turn sees the rejection; here it only must not be unhandled
    for (const row of known.rows) sendingBesideOthers(() => known.ask(plan, row, place)).catch(() => undefined)
  }
}
