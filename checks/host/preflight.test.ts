/**
 * Everything that the node checks need is known, and this is the node.
 * Catches: what stands in the way of looking from the node. Lists every fact that could not be found out, with its reason.
 * Sends: nothing.
 */
import { check, once } from '../../lib/check.ts'
import { nodeAddress, preflight } from '../../lib/preflight.ts'

check(
  'what the node checks need is known',
  once,
  async ({ plan, place, must, warn }) => {
    warn(
      nodeAddress(plan),
      'Run with hostNetwork: true, or name the namespace: NODE_NETNS=/proc/1/ns/net with hostPID.',
    )
    must(preflight(plan, place))
  },
  { sendsNothing: true },
)
