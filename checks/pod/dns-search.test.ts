/**
 * kubernetes.default by the pod's own search list and ndots, step by step as its libc asks: it must end at the API's ClusterIP.
 * Catches: a search step that is silent or SERVFAIL, where libc waits or gives up (DNS_SEARCH_BROKEN), a wrong cluster domain, an
 * answer from a search domain that should have none.
 * Sends: A and AAAA queries over UDP for each step of the search, to the pod's nameservers.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsSearch } from '../../lib/question/dns-search.ts'

check(
  "kubernetes.default is found by the pod's search list",
  perFamily,
  async ({ plan, place, row, about, must, warn }) => {
    const { targets, answered, remarks } = await dnsSearch(plan, place, row)
    about(targets)
    must(answered)
    warn(remarks)
  },
)
