/**
 * The exact path MTU to the destination pod equals what the pod is promised: the smaller of its link's and its route's MTU.
 * Catches: an overlay whose MTU is larger than the underlay carries (small packets pass, TLS hangs after the ClientHello), veth peers
 * that differ, ICMP errors that are filtered, a tunnel whose packets are cut in pieces, less than EXPECT_MTU.
 * Sends: about 10 to 100 echo requests with DF, none larger than the promise; where they vanish, 18 more, and one full-size TCP segment.
 */
import { check, perDestination } from '../../lib/check.ts'
import { mtuToDestination } from '../../lib/question/mtu.ts'

check('full-size packets reach {destination}', perDestination, async ({ plan, place, row, about, judge }) => {
  const { targets, path, hint } = await mtuToDestination(plan, place, row)
  about(targets)
  judge(path, hint)
})
