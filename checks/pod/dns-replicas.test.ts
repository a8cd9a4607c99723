/**
 * kubernetes.default from every ready replica of the cluster's DNS by its own address, over UDP and TCP.
 * Catches: the one replica of several that is dead, on an unreachable node, or answers from stale data.
 * Sends: A and AAAA queries over UDP and TCP to each replica.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsReplicas } from '../../lib/question/dns.ts'

check(
  'every replica of the cluster DNS resolves kubernetes.default',
  perFamily,
  async ({ plan, place, row, about, must }) => {
    const { targets, answered } = await dnsReplicas(plan, place, row)
    about(targets)
    must(answered)
  },
)
