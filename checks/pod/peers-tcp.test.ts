/**
 * TCP to a pod on each of some other nodes, on the port that its Service names: a run over all nodes sets PEERS.
 * Catches: what ping does not show: a filter of TCP alone, a process that does not listen, a policy.
 * Sends: one TCP connection to each, closed at once (up to 4 staggered SYNs if the first is lost).
 */
import { check, perFamily } from '../../lib/check.ts'
import { peerPodPorts } from '../../lib/question/peers.ts'

check('peer pods answer TCP', perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, reached } = await peerPodPorts(plan, place, row)
  about(targets)
  must(reached)
})
