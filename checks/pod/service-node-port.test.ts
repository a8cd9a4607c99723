/**
 * The destination service on its node ports, by this node's InternalIP and by another node's. The other node only warns: a firewall
 * between nodes may mean it. With externalTrafficPolicy Local only nodes with an endpoint are asked.
 * Catches: a node firewall that drops or refuses node ports before they are translated, rules of kube-proxy that are missing.
 * Sends: as many TCP connections (or datagrams) to each node port as meet every endpoint with certainty.
 */
import { check, perFamily } from '../../lib/check.ts'
import { nodePorts } from '../../lib/question/service-outside.ts'

check(
  'the destination service answers on its node ports',
  perFamily,
  async ({ plan, place, row, about, must, warn }) => {
    const { targets, here, there } = await nodePorts(plan, place, row)
    about(targets)
    must(here)
    warn(there)
  },
)
