/**
 * The API server's own health check, asked with the kubeconfig's credentials by the main process (they never reach a worker).
 * Catches: an API server that answers but is not well (etcd, a post-start hook, a dead informer), naming the sub-check.
 * Sends: `GET /readyz?verbose` with the kubeconfig's credentials, from the main process.
 */
import { check, once } from '../../lib/check.ts'

check("the API server's readyz is ok", once, async ({ plan, given, must }) => {
  must(given(plan.api.readyz))
})
