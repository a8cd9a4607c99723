/**
 * The CPUs keep up with what arrives while the run lasts (softnet). Sums since boot are not judged; the counters are the whole machine's.
 * Catches: a backlog too small, all interrupts on one CPU.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { backlogDrops } from '../../lib/question/node-pressure.ts'

check('no CPU drops packets meanwhile', once, async ({ must, warn }) => {
  const { failed, warned, hint } = await backlogDrops()
  must(failed, hint)
  warn(warned, hint)
})
