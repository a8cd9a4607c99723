/**
 * Nobody else on the link answers for the pod's address.
 * Catches: an address that was given out twice, a machine or a stale interface that still holds it.
 * Sends: 2 ARP probes (RFC 5227) or neighbour solicitations for the pod's own address, as duplicate address detection does.
 */
import { check, perFamily } from '../../lib/check.ts'
import { duplicateAddress } from '../../lib/question/pod-state.ts'

check("nobody else has the pod's address", perFamily, async ({ plan, place, row, must, warn }) => {
  const { failed, warned, hint } = await duplicateAddress(plan, place, row)
  must(failed, hint)
  warn(warned, hint)
})
