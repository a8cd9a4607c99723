/** Cluster DNS as the pod uses it: its own resolv.conf, every nameserver, UDP and TCP; and every replica by itself. */

import { endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { Inconclusive, NotApplicable } from '../failure.ts'
import type { DnsType } from '../packet/dns.ts'
import { askDns } from '../probe/dns.ts'
import { type Answer, judgeEach, judgeRepeated } from '../probe/judge.ts'
import { attemptsFor } from '../probe/tcp.ts'
import type { Outcome, Plan, ServiceFacts, Target } from '../types.ts'
import { dnsAnswer } from './answers.ts'
import { type Asking, families, question } from './question.ts'
import { allOf } from './service.ts'

export interface DnsAnswer {
  readonly targets: readonly Target[]
  readonly answered: Outcome<void>
}

/** A name, and for each record type what it must hold; null: any record will do. */
interface Expected {
  readonly name: string
  readonly records: readonly { readonly type: DnsType; readonly values: readonly string[] | null }[]
}

/** kubernetes.default from every nameserver of the pod, over UDP and TCP. */
export const dnsKubernetes = question(
  'pod',
  families,
  async (plan, row): Promise<DnsAnswer> => fromNameservers(plan, row, kubernetesName(plan)),
)

/** The destination service from every nameserver of the pod, over UDP. */
export const dnsService = question(
  'pod',
  families,
  async (plan, row): Promise<DnsAnswer> => fromNameservers(plan, row, serviceName(plan)),
)

/** kubernetes.default from every ready replica of the cluster's DNS, by its own address, over UDP and TCP. */
export const dnsReplicas = question('pod', families, async (plan, row): Promise<DnsAnswer> => {
  clusterNameservers(plan, row)
  const { replicas, service } = given(plan.dns)
  const ready = ofFamily(replicas, row.family).filter((replica) => replica.ready)
  needed(ready, `${familyName(row.family)} replicas of the cluster's DNS`, `${service} has none that is ready`)
  const servers = ready.map((replica) => endpointTarget('a DNS replica', replica))
  const { name, records } = kubernetesName(plan)
  const asked = records.flatMap(({ type, values }) =>
    askDns(servers, { name, type }).then((results) => results.map((result) => dnsAnswer(result, values))),
  )
  return { targets: servers, answered: judgeEach('queries to DNS replicas', (await Promise.all(asked)).flat()) }
})

async function fromNameservers(plan: Plan, row: Asking, expected: Expected): Promise<DnsAnswer> {
  const servers = clusterNameservers(plan, row)
  const times = attemptsFor(replicasBehind(plan, row))
  const targets = servers.flatMap((address): Target[] =>
    (['udp', 'tcp'] as const).map((protocol) => ({
      role: 'a nameserver of the pod',
      name: address,
      address,
      family: row.family,
      protocol,
      port: 53,
    })),
  )
  const judged = await Promise.all(
    targets.map(async (target) => judgeRepeated(target, await askOften(target, times, expected))),
  )
  const answered = allOf(judged)
  return { targets, answered: answered.ok ? { ...answered, detail: summaryOf(servers, expected) } : answered }
}

function summaryOf(servers: readonly string[], { records }: Expected): string {
  const shown = records.map(({ type, values }) => `${type} ${values === null ? 'any' : values.join(', ') || 'none'}`)
  return `${servers.join(', ')} answered as expected over UDP and TCP: ${shown.join('; ')}`
}

/** Every record type from one nameserver over one transport, often enough to meet each replica behind it. */
async function askOften(target: Target, times: number, { name, records }: Expected): Promise<Answer[]> {
  const servers = Array.from({ length: times }, () => target)
  const asked = records.map(async ({ type, values }) => {
    const results = await askDns(servers, { name, type }, { oneBackend: true })
    return results.map((result) => dnsAnswer(result, values))
  })
  return (await Promise.all(asked)).flat()
}

/** The pod's nameservers of the family; a pod that does not use the cluster's DNS is not asked. */
function clusterNameservers(plan: Plan, { family }: Asking): string[] {
  const source = given(plan.source)
  const { nameservers, search } = given(source.resolv)
  if (!search.some((domain) => domain.startsWith('svc.'))) {
    const policy = source.dnsPolicy
      ? `its dnsPolicy is ${source.dnsPolicy}`
      : `it searches ${search.join(' ') || 'nothing'}`
    throw new NotApplicable(`needs a pod that uses the cluster's DNS, ${policy}`)
  }
  const own = nameservers.filter((address) => familyOf(address) === family)
  return needed(own, `an ${familyName(family)} nameserver in the pod's resolv.conf`, `it has ${nameservers.join(', ')}`)
}

function replicasBehind(plan: Plan, { family }: Asking): number {
  const { dns } = plan
  if (dns.state !== 'known') return 1
  const ready = ofFamily(dns.value.replicas, family).filter((replica) => replica.ready)
  return new Set(ready.map(({ address }) => address)).size
}

/** The cluster's domain: as the pod's own search list says it ("svc.<domain>"). */
function domainOf(plan: Plan): string {
  const { search } = given(given(plan.source).resolv)
  const own = search.find((domain) => domain.startsWith('svc.'))
  if (own) return own.slice('svc.'.length)
  throw new Inconclusive('DNS_DOMAIN_UNKNOWN', 'the pod’s search list does not tell the cluster’s domain')
}

/** Without the API any address will do: what it ought to be is not known. */
function kubernetesName(plan: Plan): Expected {
  const { service } = plan.api
  const name = `kubernetes.default.svc.${domainOf(plan)}.`
  if (service.state !== 'known') return { name, records: [{ type: 'A', values: null }] }
  return { name, records: addressRecords(service.value.clusterIPs) }
}

/** A service's name: its ClusterIPs, or the ready endpoints if headless, or the CNAME if ExternalName. */
function serviceName(plan: Plan): Expected {
  const service = given(plan.service)
  const name = `${service.name}.${service.namespace}.svc.${domainOf(plan)}.`
  if (service.externalName !== null) {
    return { name, records: [{ type: 'CNAME', values: [service.externalName.replace(/\.$/, '')] }] }
  }
  return { name, records: addressRecords(service.headless ? readyAddresses(service) : service.clusterIPs) }
}

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
