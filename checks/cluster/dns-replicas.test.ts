/**
 * Every replica of the cluster DNS answers every node's pod, by its own address.
 * Catches: a replica that only some nodes reach, or that answers nobody: one in so many lookups fails there, and nothing tells why.
 * Sends: from a pod of each node A and AAAA queries over UDP and TCP to each replica, and one with EDNS over UDP.
 */
import { clusterCheck, perFamily } from '../../lib/cluster/check.ts'
import { replicasAnswer } from '../../lib/merge/index.ts'

clusterCheck('every replica of the cluster DNS answers every node', perFamily, ({ part, row, decide }) => {
  decide(replicasAnswer(part, row.family))
})
