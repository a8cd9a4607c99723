/** What a judgement of state says, as a check takes it: `must(failed, hint)`, `warn(warned, hint)`. */
import { Inconclusive, NotApplicable } from '../failure.ts'
import type { StateVerdict } from '../probe/state/verdict.ts'
import type { NamespaceState } from '../state.ts'
import type { Outcome, Place, Plan } from '../types.ts'
import { nodeState } from './state.ts'

export interface StateAnswer {
  readonly failed: Outcome<void>
  readonly warned: Outcome<void>
  readonly hint: string | undefined
}

const FINE: Outcome<void> = { ok: true, value: undefined, evidence: [] }

/** Throws NotApplicable where the verdict is that. */
export function answerOf(verdict: StateVerdict): StateAnswer {
  if (verdict.is === 'not-applicable') throw new NotApplicable(`needs ${verdict.need}, ${verdict.finding}`)
  if (verdict.is === 'fine') {
    const { detail, evidence } = verdict
    return { failed: { ...FINE, detail, evidence }, warned: FINE, hint: undefined }
  }
  const { code, detail, evidence, hint } = verdict
  const bad: Outcome<void> = { ok: false, code, detail, evidence }
  return verdict.is === 'broken' ? { failed: bad, warned: FINE, hint } : { failed: FINE, warned: bad, hint }
}

/** The state of the node's namespace; inconclusive where it cannot be read. */
export async function readNodeState(plan: Plan, place: Place): Promise<NamespaceState> {
  const state = await nodeState(plan, place)
  if (!state.ok) throw new Inconclusive(state.code, state.detail)
  return state.value
}
