/**
 * The pod checks pass on every node, asked from a pod that is there already; those about its peers and the DNS replicas aside.
 * Catches: a node whose pods reach no service, no DNS, no API server, while those of other nodes do. Nodes without such a pod are named.
 * Sends: from one pod of each node what the table of the pod checks says.
 */
import { clusterCheck, once } from '../../lib/cluster/check.ts'
import { checksPass } from '../../lib/merge/index.ts'

clusterCheck('the pod checks pass on every node', once, ({ part, decide }) => {
  decide(checksPass(part, 'pod'))
})
