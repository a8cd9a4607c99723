/**
 * Where pods are ports of a bridge and kube-proxy's rules are netfilter's, bridged packets meet them.
 * Catches: br_netfilter not loaded, bridge-nf-call-iptables or -ip6tables 0: same-node connections to a ClusterIP fail.
 * Sends: nothing.
 */
import { check, perFamily } from '../../lib/check.ts'
import { bridgesMeetNetfilter } from '../../lib/question/node-filter.ts'

check("netfilter sees what the pods' bridge carries", perFamily, async ({ plan, place, row, must, warn }) => {
  const { failed, warned, hint } = await bridgesMeetNetfilter(plan, place, row)
  must(failed, hint)
  warn(warned, hint)
})
