/**
 * The destination service on its load balancer addresses (ipMode VIP) and externalIPs, as a pod reaches them: by the node's rules.
 * Catches: rules of kube-proxy that lack these addresses, a firewall that drops them.
 * Sends: as many TCP connections (or datagrams) to each address and port as meet every endpoint with certainty.
 */
import { check, perFamily } from '../../lib/check.ts'
import { balancedPorts } from '../../lib/question/service-outside.ts'

check(
  'the destination service answers on its load balancer and external addresses',
  perFamily,
  async ({ plan, place, row, about, must }) => {
    const { targets, reached } = await balancedPorts(plan, place, row)
    about(targets)
    must(reached)
  },
)
