/**
 * The destination service's name from the pod's nameservers: A and AAAA equal its ClusterIPs, or the ready endpoints if it is headless,
 * or the CNAME if it is an ExternalName service.
 * Catches: a service that DNS does not know or knows by an old address, a headless service that names dead pods.
 * Sends: queries for the service's name over UDP and TCP to each nameserver.
 */
import { check, perFamily } from '../../lib/check.ts'
import { dnsService } from '../../lib/question/dns.ts'

check("the pod's nameservers resolve the destination service", perFamily, async ({ plan, place, row, about, must }) => {
  const { targets, answered } = await dnsService(plan, place, row)
  about(targets)
  must(answered)
})
