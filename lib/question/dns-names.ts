/** What the pod's resolver is asked, whom, and what must come back: from the plan alone. */
import { familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import type { DnsType } from '../packet/dns.ts'
import { clusterDomainIn } from '../resolv.ts'
import type { Plan, Protocol, ServiceFacts, Target } from '../types.ts'
import type { Asking } from './question.ts'

/** A name, and for each record type what it must hold; null: not known, but one of the types must have a record. */
export interface Expected {
  readonly name: string
  readonly records: readonly { readonly type: DnsType; readonly values: readonly string[] | null }[]
  /** Nobody of the cluster answers for it: that its server says NXDOMAIN of one type beside addresses of the other (RFC 4074) is let pass. */
  readonly outside?: true
}

const DNS_PORT = 53
const ADDRESS_TYPES = ['A', 'AAAA'] as const

/**
 * The cluster's domain, as the pod's own search list says it ("svc.<domain>"). A pod whose search list does not name the
 * cluster's services does not use the cluster's DNS.
 */
export function clusterDomain(plan: Plan): string {
  const { resolv, dnsPolicy } = given(plan.source)
  const { search } = given(resolv)
  const own = clusterDomainIn(search)
  if (own !== null) return own
  const policy = dnsPolicy ? ` (dnsPolicy ${dnsPolicy})` : ''
  throw new NotApplicable(
    `needs a pod that uses the cluster's DNS, it searches ${search.join(' ') || 'no domain'}${policy}`,
  )
}

/** The pod's nameservers of the family, in the order of its resolv.conf. */
export function clusterNameservers(plan: Plan, { family }: Asking): string[] {
  const { nameservers } = given(given(plan.source).resolv)
  const own = nameservers.filter((address) => familyOf(address) === family)
  return needed(
    own,
    `an ${familyName(family)} nameserver in the pod's resolv.conf`,
    `it has ${nameservers.join(', ') || 'none'}`,
  )
}

/** A nameserver of the pod, as something to ask. */
export const nameserver = (address: string, protocol: Extract<Protocol, 'udp' | 'tcp'>): Target => ({
  role: 'a nameserver of the pod',
  name: address,
  address,
  family: familyOf(address),
  protocol,
  port: DNS_PORT,
})

/** How many replicas stand behind a nameserver; 1 where that is not known. */
export function replicasBehind(plan: Plan, { family }: Asking): number {
  const { dns } = plan
  if (dns.state !== 'known') return 1
  const ready = ofFamily(dns.value.replicas, family).filter((replica) => replica.ready)
  return new Set(ready.map(({ address }) => address)).size
}

/** Without the API any address of either family will do: which it ought to be is not known. */
export function kubernetesName(plan: Plan): Expected {
  const { service } = plan.api
  const name = `kubernetes.default.svc.${clusterDomain(plan)}.`
  return service.state === 'known' ? { name, records: addressRecords(service.value.clusterIPs) } : anyAddress(name)
}

/** A service's name: its ClusterIPs, or the ready endpoints if headless, or the CNAME if ExternalName. */
export function serviceName(plan: Plan): Expected {
  const service = given(plan.service)
  const name = `${service.name}.${service.namespace}.svc.${clusterDomain(plan)}.`
  if (service.externalName !== null) {
    return { name, records: [{ type: 'CNAME', values: [service.externalName.replace(/\.$/, '')] }] }
  }
  return { name, records: addressRecords(service.headless ? readyAddresses(service) : service.clusterIPs) }
}

/** A name that must have an address, whichever and of whichever family. */
export const anyAddress = (name: string): Expected => ({
  name,
  records: ADDRESS_TYPES.map((type) => ({ type, values: null })),
})

function readyAddresses(service: ServiceFacts): string[] {
  const ready = given(service.endpoints).filter((endpoint) => endpoint.ready)
  return [...new Set(ready.map(({ address }) => address))]
}

/** A name without addresses of a family must say NODATA for it, not NXDOMAIN and not silence. */
function addressRecords(addresses: readonly string[]): Expected['records'] {
  return [
    { type: 'A', values: addresses.filter((address) => familyOf(address) === 4) },
    { type: 'AAAA', values: addresses.filter((address) => familyOf(address) === 6) },
  ]
}
