/**
 * The addresses that the API knows are on the pod's interface, and no other of their range.
 * Catches: an address that was taken away, one left over or given by nobody, IPv6 that duplicate address detection refused.
 * Sends: nothing; reads them with `ip`.
 */
import { check, perFamily } from '../../lib/check.ts'
import { podAddresses } from '../../lib/question/pod-state.ts'

check("the pod's address is on its interface", perFamily, async ({ plan, place, row, must, warn }) => {
  const { failed, warned, hint } = await podAddresses(plan, place, row)
  must(failed, hint)
  warn(warned, hint)
})
