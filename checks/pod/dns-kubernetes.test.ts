/**
 * kubernetes.default, asked as the pod would: every nameserver of its resolv.conf, over UDP and TCP, often enough to meet every replica
 * behind the address. The answer must equal the API's ClusterIPs; NODATA is right for a family that the service does not have.
 * Catches: DNS dead from this pod, one dead replica of several (BACKEND_DEAD), TCP 53 blocked, an answer from another cluster.
 * Sends: A and AAAA queries over UDP and TCP to each nameserver, as many as meet every replica behind it.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsKubernetes } from '../../lib/question/dns.ts'

check("the pod's nameservers resolve kubernetes.default", perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, answered } = await dnsKubernetes(plan, place, row)
  about(targets)
  must(answered)
})
