/**
 * Connection tracking drops nothing while the run lasts. Sums since boot are not judged.
 * Catches: a full table, races of a resolver's two questions on one port.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { conntrackDrops } from '../../lib/question/node-pressure.ts'

check('connection tracking drops nothing meanwhile', once, async ({ must, warn }) => {
  const { failed, warned, hint } = await conntrackDrops()
  must(failed, hint)
  warn(warned, hint)
})
