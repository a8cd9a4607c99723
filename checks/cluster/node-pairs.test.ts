/**
 * Nodes reach each other by their own addresses: what every tunnel between their pods rests on.
 * Catches: a node that is cut off, security groups between zones, one family that is not routed, loss on one link.
 * Sends: from each node pings to the InternalIPs of some others, chosen so that each is asked by as many.
 */
import { clusterCheck, perFamily } from '../../lib/cluster/check.ts'
import { pairsReach } from '../../lib/merge/index.ts'

clusterCheck('pairs of nodes reach each other', perFamily, ({ part, row, decide }) => {
  decide(pairsReach(part, 'nodes', row.family))
})
