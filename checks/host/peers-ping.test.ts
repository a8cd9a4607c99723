/**
 * Ping of other nodes by their own addresses, each node a few others: a run over all nodes sets PEERS.
 * Catches: nodes that do not reach each other at all; what every tunnel between them rests on. Ping lost while the kubelet's port answers only
 * warns.
 * Sends: `PROBES` echo requests to each; 20 more where one is lost, 100 more where some of those are; one TCP connection to a silent one's kubelet.
 */
import { check, perFamily } from '../../lib/check.ts'
import { peerNodePings } from '../../lib/question/peers.ts'

check('peer nodes answer ping', perFamily, async ({ plan, place, row, about, must, warn }) => {
  const ping = await peerNodePings(plan, place, row)
  about(ping.targets)
  must(ping.reached)
  must(ping.heavyLoss)
  warn(ping.someLoss)
  warn(ping.icmp)
})
