/**
 * Where the CNI routes each node's pod range, every other Ready node's range has a route, and it leads to a live interface.
 * Catches: a route that the CNI agent lost, a blackhole or wrong interface in its place, a tunnel device that is down.
 * Sends: nothing.
 */
import { check, perFamily } from '../../lib/check.ts'
import { routesToOtherNodes } from '../../lib/question/node-routing.ts'

check("every other node's pods have a route", perFamily, async ({ plan, place, row, about, must, warn }) => {
  const { failed, warned, hint, targets } = await routesToOtherNodes(plan, place, row)
  about(targets)
  must(failed, hint)
  warn(warned, hint)
})
