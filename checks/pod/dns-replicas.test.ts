/**
 * kubernetes.default from every ready replica of the cluster's DNS by its own address, over UDP, TCP and with EDNS.
 * Catches: the one replica of several that is dead, on an unreachable node, or answers from stale data; only UDP or only TCP blocked,
 * queries of one record type dropped; a server that breaks on EDNS (a warning).
 * Sends: A and AAAA queries over UDP and TCP to each replica, and one with EDNS over UDP.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsReplicas } from '../../lib/question/dns.ts'

check(
  'every replica of the cluster DNS resolves kubernetes.default',
  perFamily,
  async ({ plan, place, row, about, must, judge }) => {
    const { targets, answered, edns } = await dnsReplicas(plan, place, row)
    about(targets)
    must(answered)
    judge(edns)
  },
)
