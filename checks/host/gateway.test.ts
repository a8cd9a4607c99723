/**
 * The namespace's own default route leads to somebody: neighbour resolution (ARP, NDP) decides, ping is only evidence, because many
 * gateways never answer it (169.254.1.1 of Calico, Cilium, cloud routers).
 * Catches: a dead or wrong default gateway of the node, a link that is up without being connected.
 * Sends: one UDP datagram to the gateway's discard port, an ARP request or neighbour solicitation, 2 echo requests.
 */
import { check, perFamily } from '../../lib/check.ts'
import { defaultGateway } from '../../lib/question/gateway.ts'

check("the node's own default gateway answers", perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, gateway } = await defaultGateway(plan, place, row)
  about(targets)
  must(gateway)
})
