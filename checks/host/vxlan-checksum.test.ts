/**
 * VXLAN packets have right checksums: no kernel that is known to miscount them leaves them to the device, and no wrong ones arrive.
 * Catches: the checksum offload bug of kernels before 5.7 (connections by ClusterIP to other nodes stall for up to 63 s).
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { vxlanChecksums } from '../../lib/question/node-pressure.ts'

check('tunnel packets have right checksums', once, async ({ plan, place, must, warn }) => {
  const { failed, warned, hint } = await vxlanChecksums(plan, place)
  must(failed, hint)
  warn(warned, hint)
})
