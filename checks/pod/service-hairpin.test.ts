/**
 * The source pod through a service that it stands behind itself (the destination service if it does), so often that it meets itself.
 * Catches: a bridge that does not send packets back where they came from (hairpin mode off), and connections to itself that are
 * not masqueraded, so that the pod hears from its own address.
 * Sends: as many TCP connections to the ClusterIP as meet every endpoint with certainty; one to each endpoint if some fail.
 */
import { check, perFamily } from '../../lib/check.ts'
import { hairpin } from '../../lib/question/hairpin.ts'

check('the pod reaches itself through its own service', perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, reached } = await hairpin(plan, place, row)
  about(targets)
  must(reached)
})
