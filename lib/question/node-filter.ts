/** The node's netfilter: whether bridged packets meet it, and whether its two back ends are mixed. */
import { legacyChains, legacyTables, nftChains, serviceRules } from '../node/netfilter.ts'
import { judgeBackEnds } from '../probe/state/back-ends.ts'
import { judgeBridgeFilter, unfilteredBridges } from '../probe/state/bridge-filter.ts'
import { fine, notApplicable } from '../probe/state/verdict.ts'
import { podsHere } from './node-pods.ts'
import { type Asking, families, question } from './question.ts'
import { answerOf, readNodeState, type StateAnswer } from './verdict.ts'

/** kube-proxy's rules are read only where a bridge does without netfilter. */
export const bridgesMeetNetfilter = question('node', families, async (plan, { family }: Asking, place) => {
  const state = await readNodeState(plan, place)
  const pods = podsHere(plan)
  const rules = unfilteredBridges(state, pods, family).length > 0 ? await serviceRules(family) : null
  return answerOf(judgeBridgeFilter(state, pods, rules, family))
})

/** The back ends are compared only where the legacy one has tables at all. */
export async function backEndsApart(): Promise<StateAnswer> {
  if (([4, 6] as const).every((family) => legacyTables(family).length === 0))
    return answerOf(fine('the legacy back end of iptables has no tables'))
  const [nft, legacy] = await Promise.all([nftChains(), legacyChains()])
  if (nft === null || legacy === null)
    return answerOf(notApplicable('nft and iptables-legacy-save', 'the rules of one back end cannot be read without'))
  return answerOf(judgeBackEnds(nft, legacy))
}
