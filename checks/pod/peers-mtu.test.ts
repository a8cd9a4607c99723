/**
 * The exact path MTU to a pod on each of some other nodes equals what this pod is promised: a run over all nodes sets PEERS.
 * Catches: one link or node of many that carries less than the others, tunnel packets that are cut in pieces, less than EXPECT_MTU.
 * Sends: about 10 to 100 echo requests with DF to each, none larger than the promise; where they vanish, 18 more, and one full-size TCP segment.
 */
import { check, perFamily } from '../../lib/check.ts'
import { mtuToPeers } from '../../lib/question/mtu.ts'

check('full-size packets reach peer pods', perFamily, async ({ plan, place, row, about, judge }) => {
  const { targets, path, hint } = await mtuToPeers(plan, place, row)
  about(targets)
  judge(path, hint)
})
