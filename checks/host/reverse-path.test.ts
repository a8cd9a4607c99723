/**
 * Reverse path filtering lets the pods' packets in. It is IPv4's alone. The kernel itself is asked about pods of this node; a pod on
 * another node that does not answer is judged by the filter's counter, which must follow the echoes.
 * Catches: rp_filter=1 on an interface by which packets come in whose way back is another one.
 * Sends: nothing where no interface filters strictly; else 3 echo requests to a pod on another node, and 18 more when they are lost.
 */
import { check, once } from '../../lib/check.ts'
import { reversePath } from '../../lib/question/node-routing.ts'

check('no reverse path filter drops what pods send', once, async ({ plan, place, must, warn }) => {
  const { failed, warned, hint } = await reversePath(plan, place)
  must(failed, hint)
  warn(warned, hint)
})
