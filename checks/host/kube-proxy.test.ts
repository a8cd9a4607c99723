/**
 * kube-proxy says that it is well, by plain http on loopback. A cluster may do without it; gone, with its rules still there, it is a fault.
 * Catches: a kube-proxy that hangs, is not well, or is gone: services change and this node does not follow.
 * Sends: one `GET /livez` to port 10256 on loopback (`/healthz` before 1.28); when that is refused, one GET to port 10249.
 */
import { check, once } from '../../lib/check.ts'
import { kubeProxyHealth } from '../../lib/question/node-daemons.ts'

check('kube-proxy is well', once, async ({ plan, place, must, warn }) => {
  const { failed, warned, hint } = await kubeProxyHealth(plan, place)
  must(failed, hint)
  warn(warned, hint)
})
