/**
 * This node has addresses left for new pods.
 * Catches: a range that is used up or nearly so, leases that sandboxes left behind.
 * Sends: nothing; reads the leases of the CNI plug-in host-local, or counts the node's pods.
 */
import { check, perFamily } from '../../lib/check.ts'
import { addressPool } from '../../lib/question/address-pool.ts'

check('there are addresses left for new pods', perFamily, async ({ plan, row, must, warn }) => {
  const { failed, warned, hint } = addressPool(plan, row)
  must(failed, hint)
  warn(warned, hint)
})
