/**
 * The destination service on each of its ClusterIPs and ports, asked so often that one dead backend is met with certainty.
 * Catches: missing or stale rules of kube-proxy (or what replaces it), rules that still name a pod that is gone.
 * Sends: as many TCP connections (or datagrams) to each address and port as meet every endpoint with certainty: 49 for 4 endpoints, at most 200.
 */
import { check, perFamily } from '../../lib/check.ts'
import { servicePorts } from '../../lib/question/service.ts'

check('the destination service answers on its ClusterIPs', perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, reached } = await servicePorts(plan, place, row)
  about(targets)
  must(reached)
})
