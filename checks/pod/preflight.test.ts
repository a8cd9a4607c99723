/**
 * The pod that SRC_POD means is found on this node, its namespace entered, and everything that the pod checks need is known.
 * Catches: what stands in the way of asking from the pod: a pod that is not found or not here, a runtime that does not answer,
 * a namespace that may not be entered. Lists every fact that could not be found out, with its reason.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { preflight } from '../../lib/preflight.ts'

check(
  'the source pod is found and its namespace entered',
  once,
  async ({ plan, place, must }) => {
    must(preflight(plan, place))
  },
  { sendsNothing: true },
)
