/**
 * Between each two zones some pods reach each other, from either side.
 * Catches: zones that are cut from each other: a security group, a network ACL or a route table that lets a tunnel's packets not pass.
 * Sends: nothing more than the pairs of pods, of which at least one is asked from each zone to each other one.
 */
import { clusterCheck, perFamily } from '../../lib/cluster/check.ts'
import { zonesReach } from '../../lib/merge/index.ts'

clusterCheck('pods of every pair of zones reach each other', perFamily, ({ part, row, decide }) => {
  decide(zonesReach(part, row.family))
})
