/**
 * Ping of a pod on each of some other nodes: a run over all nodes sets PEERS.
 * Catches: a node whose pods cannot be reached from here (overlay filtered, routes missing), loss on the way to it. Ping lost while TCP
 * answers only warns.
 * Sends: `PROBES` echo requests to each; 20 more where one is lost, 100 more where some of those are.
 */
import { check, perFamily } from '../../lib/check.ts'
import { peerPodPings } from '../../lib/question/peers.ts'

check('peer pods answer ping', perFamily, async ({ plan, place, row, about, must, warn }) => {
  const ping = await peerPodPings(plan, place, row)
  about(ping.targets)
  must(ping.reached)
  must(ping.heavyLoss)
  warn(ping.someLoss)
  warn(ping.icmp)
})
