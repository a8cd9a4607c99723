/**
 * ICMP echo to every ready endpoint of the destination service, all at once.
 * Catches: the one endpoint, or the one node, of many that cannot be reached from this pod.
 * Sends: `PROBES` echo requests to each endpoint, at most 256 unanswered at a time.
 */
import { check, perFamily } from '../../lib/check.ts'
import { endpointPings } from '../../lib/question/service.ts'

check(
  'every ready endpoint of the destination service answers ping',
  perFamily,
  async ({ plan, place, row, about, must, warn }) => {
    const ping = await endpointPings(plan, place, row)
    about(ping.targets)
    must(ping.reached)
    must(ping.heavyLoss)
    warn(ping.someLoss)
    warn(ping.icmp)
  },
)
