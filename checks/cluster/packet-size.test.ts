/**
 * Full-size packets pass between pods of different nodes.
 * Catches: a node, a zone or a way between zones that carries less than the others: an MTU that was set on one node only, a link with less.
 * Sends: from a pod of each node about 10 to 100 echo requests with DF to a pod of some others.
 */
import { clusterCheck, perFamily } from '../../lib/cluster/check.ts'
import { packetsFit } from '../../lib/merge/index.ts'

clusterCheck('full-size packets pass between pods of pairs of nodes', perFamily, ({ part, row, decide }) => {
  decide(packetsFit(part, row.family))
})
