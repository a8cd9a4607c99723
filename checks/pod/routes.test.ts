/**
 * The pod's own routes and rules lead to everything that is asked of it, and to the node's hardware address.
 * Catches: a missing default route, a blackhole, unreachable or prohibit route or rule, a wrong permanent neighbour entry.
 * Sends: nothing; reads them with `ip`, and asks the kernel (`ip route get`) where they may refuse.
 */
import { check, perFamily } from '../../lib/check.ts'
import { podWayOut } from '../../lib/question/pod-state.ts'

check("the pod's routes and rules refuse nothing", perFamily, async ({ plan, place, row, must, warn }) => {
  const { failed, warned, hint } = await podWayOut(plan, place, row)
  must(failed, hint)
  warn(warned, hint)
})
