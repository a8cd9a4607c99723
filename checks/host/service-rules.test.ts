/**
 * What kube-proxy's rules on this node (nftables, iptables or IPVS) do with the destination service, the service kubernetes and the
 * cluster's DNS, beside their EndpointSlices. What differs is read again after 1.5 s. Without kube-proxy it does not apply.
 * Catches: rules that are gone, that lack a ready endpoint, or that still send to one that is gone: a kube-proxy that is stuck,
 * stopped, or has lost the API server.
 * Sends: nothing; where rules and slices differ, one connection (or datagram) to each address that is in one of them only.
 */
import { check, once } from '../../lib/check.ts'
import { serviceRules } from '../../lib/question/service-rules.ts'

check("this node's service rules lead to the ready endpoints", once, async ({ plan, about, must }) => {
  const { targets, rules } = await serviceRules(plan)
  about(targets)
  must(rules)
})
