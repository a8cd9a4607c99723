/**
 * The exact path MTU from this node to another one, by the nodes' own addresses: what every tunnel between them rests on.
 * Catches: an underlay that carries less than the nodes' interfaces promise (a jumbo port left at 1500, a VPN or cloud link).
 * Sends: about 10 to 100 echo requests with DF; where none is answered, one full-size TLS ClientHello to the kubelet's port.
 */
import { check, perFamily } from '../../lib/check.ts'
import { mtuToNode } from '../../lib/question/mtu.ts'

check('full-size packets reach another node', perFamily, async ({ plan, place, row, about, judge }) => {
  const { targets, path, hint } = await mtuToNode(plan, place, row)
  about(targets)
  judge(path, hint)
})
