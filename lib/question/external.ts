/** The external address that the user names. It is never guessed. */
import { given } from '../fact.ts'
import { echo } from '../probe/icmp.ts'
import type { Plan, Target } from '../types.ts'
import { judgePing, type PingAnswer, sourceHas } from './pod.ts'
import { type Asking, families, question } from './question.ts'

/** Ping of the external address of a family. */
export const externalPing = question('pod', families, async (plan, row): Promise<PingAnswer> => {
  const target = externalTarget(plan, row)
  const results = await echo([target], { probes: plan.probes })
  return judgePing('external addresses', results, () => null)
})

/** The external address of a family, as something to ask. */
export function externalTarget(plan: Plan, row: Asking): Target {
  const { family } = row
  const address = given(plan.external[family === 4 ? 'ipv4' : 'ipv6'])
  sourceHas(plan, row)
  return { role: 'the external address', name: address, address, family, protocol: 'icmp' }
}
