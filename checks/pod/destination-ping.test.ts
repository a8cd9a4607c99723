/**
 * ICMP echo to the destination pod. A lost echo earns 20 more: loss is measured, not retried away.
 * Catches: a dead pod network between two nodes (overlay filtered, routes or forwarding missing), loss. Ping lost while TCP answers only
 * warns: a NetworkPolicy cannot express ICMP.
 * Sends: `PROBES` echo requests; 20 more if one is lost, 100 more if some of those are.
 */
import { check, perDestination } from '../../lib/check.ts'
import { destinationPing } from '../../lib/question/pod.ts'

check('{destination} answers ping', perDestination, async ({ plan, place, row, about, must, warn }) => {
  const ping = await destinationPing(plan, place, row)
  about(ping.targets)
  must(ping.reached)
  must(ping.heavyLoss)
  warn(ping.someLoss)
  warn(ping.icmp)
})
