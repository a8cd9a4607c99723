/**
 * TCP to the destination pod on every port that it declares or that a service's endpoints name.
 * Catches: a NetworkPolicy or firewall that drops or rejects, a process that does not listen (NOTHING_LISTENING), a dead path.
 * Sends: one TCP connection a port, closed at once (up to 4 staggered SYNs if the first is lost); port 9 when no port is known.
 */
import { check, perDestination } from '../../lib/check.ts'
import { destinationTcp } from '../../lib/question/pod.ts'

check('{destination} answers TCP on its ports', perDestination, async ({ plan, place, row, about, must }) => {
  const { targets, reached } = await destinationTcp(plan, place, row)
  about(targets)
  must(reached)
})
