/** The addresses that this node has for its pods. */
import { familyName, given, needed, ofFamily } from '../fact.ts'
import { judgePool } from '../probe/state/address-pool.ts'
import type { Family, Plan } from '../types.ts'
import { answerOf, type StateAnswer } from './verdict.ts'

/** The fullest pool of a family. */
export function addressPool(plan: Plan, { family }: { readonly family: Family }): StateAnswer {
  const pools = ofFamily(given(plan.addressPools), family)
  const filled = pools.toSorted((a, b) => b.used / b.size - a.used / a.size)[0]
  return answerOf(judgePool(needed(filled, `an ${familyName(family)} range for pods on this node`, 'none is in use')))
}
