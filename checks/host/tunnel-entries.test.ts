/**
 * A VXLAN device whose entries a program keeps (flannel and its kind) knows every other Ready node: hardware address and tunnel end.
 * Catches: a neighbour or forwarding entry that is missing, that contradicts the other, or names another machine.
 * Sends: nothing.
 */
import { check, perFamily } from '../../lib/check.ts'
import { tunnelsToOtherNodes } from '../../lib/question/node-routing.ts'

check('the tunnel knows every other node', perFamily, async ({ plan, place, row, about, must, warn }) => {
  const { failed, warned, hint, targets } = await tunnelsToOtherNodes(plan, place, row)
  about(targets)
  must(failed, hint)
  warn(warned, hint)
})
