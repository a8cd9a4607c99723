/**
 * The nodes are set alike: sysctls, MTUs of interfaces of one name, the mode of kube-proxy. A difference only warns.
 * Catches: the node that was installed by hand, or missed the last change. Versions of kernel, runtime and CNI that differ are shown beside it.
 * Sends: nothing.
 */
import { clusterCheck, once } from '../../lib/cluster/check.ts'
import { settingsAlike } from '../../lib/merge/index.ts'

clusterCheck('the nodes are set alike', once, ({ part, decide }) => {
  decide(settingsAlike(part))
})
