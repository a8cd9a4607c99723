/**
 * The exact path MTU to the destination pod equals what the pod is promised: the smaller of its link's and its route's MTU.
 * Catches: an overlay whose MTU is larger than the underlay carries: small packets pass, TLS hangs after the ClientHello.
 * Sends: about 10 to 100 echo requests with DF, none larger than the promise.
 */
import { check, perDestination } from '../../lib/check.ts'
import { mtuToDestination } from '../../lib/question/mtu.ts'

check('full-size packets reach {destination}', perDestination, async ({ plan, place, row, about, judge }) => {
  const { targets, path } = await mtuToDestination(plan, place, row)
  about(targets)
  judge(path)
})
