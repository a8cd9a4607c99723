/**
 * The clock of this node and that of the API server agree.
 * Catches: time synchronisation that broke on one of them: certificates and tokens then look expired, or not valid yet.
 * Sends: nothing of its own: it reads the Date of the answers to the check of the kubeconfig's server.
 */
import { check, once } from '../../lib/check.ts'
import { nodeClock } from '../../lib/question/api.ts'

check("this node's clock agrees with the API server's", once, async ({ plan, must, warn }) => {
  const { failed, warned, hint } = await nodeClock(plan)
  must(failed, hint)
  warn(warned, hint)
})
