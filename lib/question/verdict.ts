/** What a judgement of state says, as a check takes it: `must(failed, hint)`, `warn(warned, hint)`. */
import { familyOf } from '../fact.ts'
import { Inconclusive, NotApplicable } from '../failure.ts'
import type { StateVerdict } from '../probe/state/verdict.ts'
import type { NamespaceState } from '../state.ts'
import type { ClusterNode, Outcome, Place, Plan, Target } from '../types.ts'
import { noteState } from './environment.ts'
import { nodeState } from './state.ts'

export interface StateAnswer {
  readonly failed: Outcome<void>
  readonly warned: Outcome<void>
  readonly hint: string | undefined
  /** The other nodes that a trouble is about. */
  readonly targets: readonly Target[]
}

const FINE: Outcome<void> = { ok: true, value: undefined, evidence: [] }

/** Throws NotApplicable where the verdict is that. */
export function answerOf(verdict: StateVerdict): StateAnswer {
  if (verdict.is === 'not-applicable') throw new NotApplicable(`needs ${verdict.need}, ${verdict.finding}`)
  if (verdict.is === 'fine') {
    const { detail, evidence } = verdict
    return { failed: { ...FINE, detail, evidence }, warned: FINE, hint: undefined, targets: [] }
  }
  const { code, detail, evidence, hint } = verdict
  const targets = (verdict.nodes ?? []).map(nodeTarget)
  const bad: Outcome<void> = { ok: false, code, detail, evidence }
  return verdict.is === 'broken'
    ? { failed: bad, warned: FINE, hint, targets }
    : { failed: FINE, warned: bad, hint, targets }
}

function nodeTarget({ name, addresses }: ClusterNode): Target {
  const address = addresses[0] ?? ''
  return { role: 'another node', name, address, family: familyOf(address), node: name }
}

/** The state of the node's namespace; inconclusive where it cannot be read. */
export async function readNodeState(plan: Plan, place: Place): Promise<NamespaceState> {
  const state = await nodeState(plan, place)
  if (!state.ok) throw new Inconclusive(state.code, state.detail)
  if (place === 'node') noteState(state.value)
  return state.value
}
