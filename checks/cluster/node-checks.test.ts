/**
 * The node checks pass on every node that answered, those about its peers aside: the pairs of nodes have questions of their own.
 * Catches: the one node of many that is set up wrongly, and what is wrong on all of them alike: told once, with the nodes.
 * Sends: on each node what the table of the node checks says.
 */
import { clusterCheck, once } from '../../lib/cluster/check.ts'
import { checksPass } from '../../lib/merge/index.ts'

clusterCheck('the node checks pass on every node', once, ({ part, decide }) => {
  decide(checksPass(part, 'node'))
})
