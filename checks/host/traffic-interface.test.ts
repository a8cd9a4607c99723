/**
 * The node's uplinks neither damage nor drop packets while the run lasts. Frames of unknown protocols, which every interface drops, do not count.
 * Catches: CRC errors of a cable or port, a ring or queue too small.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { interfaceDrops } from '../../lib/question/node-pressure.ts'

check('the uplink loses nothing meanwhile', once, async ({ plan, place, must, warn }) => {
  const { failed, warned, hint } = await interfaceDrops(plan, place)
  must(failed, hint)
  warn(warned, hint)
})
