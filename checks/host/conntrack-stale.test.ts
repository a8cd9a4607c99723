/**
 * UDP entries of this node's connection tracking to the destination service and the cluster's DNS lead to endpoints that they have.
 * Entries are read by `conntrack -L`, else from /proc/net/nf_conntrack, in at most a second.
 * Catches: clients that keep their source port (resolvers, syslog, VoIP) and still send to an endpoint that is gone, because
 * kube-proxy did not delete the entry; a failure while a client uses it, a warning while nobody does.
 * Sends: nothing; where an entry leads to an unknown address, one DNS query or TCP connection to that address.
 */
import { check, once } from '../../lib/check.ts'
import { staleConntrack } from '../../lib/question/conntrack.ts'

check("this node's connection tracking holds no stale service entry", once, async ({ plan, must, warn }) => {
  const { used, idle } = await staleConntrack(plan)
  must(used)
  warn(idle)
})
