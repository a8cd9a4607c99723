/**
 * The pod is plugged in: its interface is up, and its other end on the node is up and on the bridge with the pod's gateway.
 * Catches: an interface or veth peer that is down or on no bridge, a bridge that is down, blocks the port or keeps it apart.
 * Sends: nothing; reads both sides with `ip`.
 */
import { check, once } from '../../lib/check.ts'
import { podLink } from '../../lib/question/pod-state.ts'

check("the pod's interface and its other end on the node are up and connected", once, async ({ plan, must, warn }) => {
  const { failed, warned, hint } = await podLink(plan)
  must(failed, hint)
  warn(warned, hint)
})
