/**
 * Pairs of A and AAAA queries, each pair from one socket at the same time as libc sends them, through every nameserver of the pod.
 * Catches: one of the two is lost where single queries arrive, so that lookups take 5 s: the race of conntrack (DNS_RACE).
 * Sends: 20 pairs over UDP to each nameserver; when some are lost, 20 more and 80 single queries.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsRace } from '../../lib/question/dns-race.ts'

check("the pod's nameservers answer A and AAAA sent together", perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, answered } = await dnsRace(plan, place, row)
  about(targets)
  must(answered)
})
