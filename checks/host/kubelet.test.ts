/**
 * The kubelet says that it is well, by plain http on loopback. Its health port may be switched off: then its other port decides.
 * Catches: a kubelet that hangs, is not well, or is gone.
 * Sends: one `GET /healthz` to port 10248 on loopback; when that is refused, one GET to the kubelet's own port.
 */
import { check, once } from '../../lib/check.ts'
import { kubeletHealth } from '../../lib/question/node-daemons.ts'

check('the kubelet is well', once, async ({ plan, must, warn }) => {
  const { failed, warned, hint } = await kubeletHealth(plan)
  must(failed, hint)
  warn(warned, hint)
})
