/**
 * The service kubernetes, as every client in the pod uses it: TCP, TLS verified against the cluster's CA, one GET without credentials.
 * Catches: kube-proxy (or what replaces it) without or with wrong rules, a dead backend behind the address, a path or policy that drops
 * packets to the API server, a path MTU that stalls TLS, a wrong certificate.
 * Sends: TCP and TLS to the ClusterIP, one `GET /livez` a connection; as many connections as meet every API server behind it.
 */
import { check, perFamily } from '../../lib/check.ts'
import { apiOnClusterIP } from '../../lib/question/api.ts'

check('the API server answers https on its ClusterIP', perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, path, certificate } = await apiOnClusterIP(plan, place, row)
  about(targets)
  must(path)
  must(certificate)
})
