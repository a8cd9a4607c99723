/**
 * The exact path MTU to the external address. Lower but signalled is no fault outside the cluster: hosts adapt.
 * Catches: a black hole on the way out: large packets vanish and no ICMP error says so.
 * Sends: about 10 to 100 echo requests with DF, none larger than the promise; 18 more where they vanish.
 */
import { check, perFamily } from '../../lib/check.ts'
import { mtuToExternal } from '../../lib/question/mtu.ts'

check('full-size packets reach the external address', perFamily, async ({ plan, place, row, about, judge }) => {
  const { targets, path, hint } = await mtuToExternal(plan, place, row)
  about(targets)
  judge(path, hint)
})
