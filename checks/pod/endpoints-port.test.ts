/**
 * TCP (or UDP) to every ready endpoint of the destination service on its own port, all at once, past the virtual address.
 * Catches: an endpoint that is called ready and does not listen, or that this pod cannot reach.
 * Sends: one TCP connection an endpoint, closed at once; for UDP up to 4 datagrams (a DNS query on port 53, else empty).
 */
import { check, perFamily } from '../../lib/check.ts'
import { endpointPorts } from '../../lib/question/service.ts'

check(
  'every ready endpoint of the destination service answers on its port',
  perFamily,
  async ({ plan, place, row, about, must }) => {
    const { targets, reached } = await endpointPorts(plan, place, row)
    about(targets)
    must(reached)
  },
)
