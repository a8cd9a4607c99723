/**
 * The nodes could be asked: the cluster was read, the account may make what a run needs, and no earlier run has left objects behind.
 * Catches: what stands in the way of asking at all, with its reason; left-overs of runs that were killed (a warning).
 * Sends: nothing but requests to the API server, by the set-up: list nodes and pods, make the run's own Jobs, read their logs.
 */
import { clusterCheck, once } from '../../lib/cluster/check.ts'
import { nothingLeft } from '../../lib/merge/index.ts'

clusterCheck('what the run over all nodes needs is known', once, ({ plan, given, warn }) => {
  given(plan.cluster)
  warn(nothingLeft(plan.leftovers))
})
