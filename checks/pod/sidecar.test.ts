/**
 * What TCP proves from this pod: a service mesh's proxy in it would take every connection itself.
 * Catches: a sidecar (Istio, Linkerd) that makes TCP checks green whatever lies beyond; with a way around it, the probes take that.
 * Sends: nothing, unless rules in the pod redirect: then SYNs to an address that nobody has (240.0.0.1, 100::1).
 */
import { check, once } from '../../lib/check.ts'
import { interception } from '../../lib/question/sidecar.ts'

check('TCP connections reach the network and not only a proxy in the pod', once, async ({ plan, place, must }) => {
  must(await interception(plan, place))
})
