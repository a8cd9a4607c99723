/**
 * The rules of kube-proxy and the CNI are in one back end of iptables. The legacy one is read only where it has tables: reading makes them.
 * Catches: old KUBE-SERVICES rules in the other back end, agents that write to different ones.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { backEndsApart } from '../../lib/question/node-filter.ts'

check("one writer's rules are in one back end of iptables", once, async ({ must, warn }) => {
  const { failed, warned, hint } = await backEndsApart()
  must(failed, hint)
  warn(warned, hint)
})
