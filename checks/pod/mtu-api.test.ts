/**
 * The exact path MTU to every API server endpoint. Lower but signalled is no fault where the API server is outside the cluster.
 * Catches: a black hole on the way to the control plane: `kubectl get` of one object works, long lists and watches hang.
 * Sends: about 10 to 100 echo requests with DF to each; where none is answered, one full-size TLS ClientHello.
 */
import { check, perFamily } from '../../lib/check.ts'
import { mtuToApi } from '../../lib/question/mtu.ts'

check('full-size packets reach every API server endpoint', perFamily, async ({ plan, place, row, about, judge }) => {
  const { targets, path, hint } = await mtuToApi(plan, place, row)
  about(targets)
  judge(path, hint)
})
