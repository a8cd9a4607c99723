/**
 * The node forwards packets on every interface that its pods' packets take: their bridge or veths, the way to other nodes, the uplink.
 * Catches: net.ipv4.ip_forward=0, IPv6 forwarding off, one interface switched off (systemd-networkd, a hardening script), naming the exact sysctl.
 * Sends: nothing.
 */
import { check, perFamily } from '../../lib/check.ts'
import { forwardsForPods } from '../../lib/question/node-routing.ts'

check("the node forwards the pods' packets", perFamily, async ({ plan, place, row, must, warn }) => {
  const { failed, warned, hint } = await forwardsForPods(plan, place, row)
  must(failed, hint)
  warn(warned, hint)
})
