/**
 * ICMP echo to the address outside the cluster that EXTERNAL_IP names; it is never guessed.
 * Catches: missing masquerade or egress route, an egress policy, loss on the way out.
 * Sends: `PROBES` echo requests; 20 more if one is lost, 100 more if some of those are.
 */
import { check, perFamily } from '../../lib/check.ts'
import { externalPing } from '../../lib/question/external.ts'

check('the external address answers ping', perFamily, async ({ plan, place, row, about, must, warn }) => {
  const ping = await externalPing(plan, place, row)
  about(ping.targets)
  must(ping.reached)
  must(ping.heavyLoss)
  warn(ping.someLoss)
})
