/**
 * The API server as the kubeconfig (or the in-cluster account) names it, verified with the CA and the name given there.
 * Catches: a load balancer that is down, an expired or foreign certificate, a kubeconfig that names a server of yesterday.
 * Sends: TCP and TLS to each address of the server, one `GET /livez`.
 */
import { check, once } from '../../lib/check.ts'
import { kubeconfigServer } from '../../lib/question/api.ts'

check('the API server that the kubeconfig names answers https', once, async ({ plan, about, must }) => {
  const { targets, path, certificate } = await kubeconfigServer(plan)
  about(targets)
  must(path)
  must(certificate)
})
