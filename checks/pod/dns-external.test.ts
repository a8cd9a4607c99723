/**
 * EXTERNAL_NAME from the pod's nameservers, in full and by the search list.
 * Catches: the resolver behind the cluster's DNS is dead or refuses (DNS_UPSTREAM_BROKEN), told from a cluster DNS that is dead as a
 * whole; search steps that end the search or cost more than a second.
 * Sends: A and AAAA queries over UDP for the name, as many as meet every replica, and for each step of the search once.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsExternal } from '../../lib/question/dns-search.ts'

check("the pod's nameservers resolve the external name", perFamily, async ({ plan, place, row, about, must, warn }) => {
  const { targets, answered, remarks } = await dnsExternal(plan, place, row)
  about(targets)
  must(answered)
  warn(remarks)
})
