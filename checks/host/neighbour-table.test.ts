/**
 * The neighbour table (ARP, NDP) has room below gc_thresh3: a warning above 80 %, a failure above 95 % or when it refused an entry.
 * Catches: thresholds too small for a large cluster. Its statistics are there in the machine's first network namespace alone.
 * Sends: nothing.
 */
import { check, perFamily } from '../../lib/check.ts'
import { neighbourTable } from '../../lib/question/node-pressure.ts'

check('the neighbour table has room', perFamily, async ({ plan, place, row, must, warn }) => {
  const { failed, warned, hint } = await neighbourTable(plan, place, row)
  must(failed, hint)
  warn(warned, hint)
})
