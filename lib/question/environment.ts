/** What the questions of this process read of the node anyway, kept for a later comparison: each part once. */

import type { NodeServices } from '../node/services/rules.ts'
import { serviceFacts, stateFacts } from '../probe/state/environment.ts'
import type { NamespaceState } from '../state.ts'
import type { StateFact } from '../types.ts'

const seen = new Set<'state' | 'services'>()
let waiting: readonly StateFact[] = []

export const noteState = (state: NamespaceState): void => note('state', () => stateFacts(state))
export const noteServices = (services: NodeServices): void => note('services', () => serviceFacts(services))

function note(part: 'state' | 'services', facts: () => readonly StateFact[]): void {
  if (seen.has(part)) return
  seen.add(part)
  waiting = [...waiting, ...facts()]
}

/** What was noted since the last call. */
export function takeFacts(): readonly StateFact[] {
  const facts = waiting
  waiting = []
  return facts
}
