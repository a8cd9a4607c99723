/**
 * The way back: the exact path MTU from a destination pod on this node to the source pod, asked in that pod's own namespace.
 * Catches: veth peers that differ on the other pod's side, a pod that was started with another MTU than its neighbours.
 * Sends: about 10 to 100 echo requests with DF from the destination pod, none larger than that pod is promised.
 */
import { check, perDestinationHere } from '../../lib/check.ts'
import { mtuFromDestination } from '../../lib/question/mtu.ts'

check(
  'full-size packets come back from {destination}',
  perDestinationHere,
  async ({ plan, place, row, about, judge }) => {
    const { targets, path, hint } = await mtuFromDestination(plan, place, row)
    about(targets)
    judge(path, hint)
  },
)
