/**
 * Pods of different nodes reach each other, by ping and TCP.
 * Catches: a node that takes no tunnel packets from anyone, one that sends none, one family that no tunnel carries, a missing route on one node.
 * Sends: from a pod of each node pings and one TCP connection each to a pod of some others, chosen so that each is asked by as many.
 */
import { clusterCheck, perFamily } from '../../lib/cluster/check.ts'
import { pairsReach } from '../../lib/merge/index.ts'

clusterCheck('pods of pairs of nodes reach each other', perFamily, ({ part, row, decide }) => {
  decide(pairsReach(part, 'pods', row.family))
})
