/**
 * The table of tracked connections has room: a warning above 80 %, a failure above 95 %.
 * Catches: nf_conntrack_max too small for the load: new connections are dropped at random.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { conntrackFill } from '../../lib/question/node-pressure.ts'

check('the conntrack table has room', once, async ({ plan, place, must, warn }) => {
  const { failed, warned, hint } = await conntrackFill(plan, place)
  must(failed, hint)
  warn(warned, hint)
})
