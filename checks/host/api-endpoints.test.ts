/**
 * Every address of the EndpointSlices of the service kubernetes, asked directly: what is left of the path without the ClusterIP.
 * Catches: one of several API servers dead or unreachable from the node, a stale EndpointSlice, a wrong certificate.
 * Sends: TCP and TLS to each address, one `GET /livez`.
 */
import { check, perFamily } from '../../lib/check.ts'
import { apiEndpoints } from '../../lib/question/api.ts'

check('every API server endpoint answers https', perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, path, certificate } = await apiEndpoints(plan, place, row)
  about(targets)
  must(path)
  must(certificate)
})
