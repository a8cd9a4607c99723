/** Cluster DNS as the pod uses it: its own resolv.conf, every nameserver, UDP and TCP; and every replica by itself. */

import { endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { CheckFailure, NotApplicable } from '../failure.ts'
import type { DnsType } from '../packet/dns.ts'
import { askDns, type DnsOptions } from '../probe/dns.ts'
import { allOf, judgeEach } from '../probe/judge.ts'
import type { Answer, Endpoint, Outcome, Plan, ServiceFacts, Target } from '../types.ts'
import { dnsAnswer } from './answers.ts'
import { sourceHas } from './pod.ts'
import { type Asking, families, question } from './question.ts'
import { sidecarOf } from './sidecar.ts'
import { askVirtual, pathsLose } from './virtual.ts'

export interface DnsAnswer {
  readonly targets: readonly Target[]
  readonly answered: Outcome<void>
}

/** A name, and for each record type what it must hold; null: not known, but one of the types must have a record. */
interface Expected {
  readonly name: string
  readonly records: readonly { readonly type: DnsType; readonly values: readonly string[] | null }[]
}

const FAMILIES = ['A', 'AAAA'] as const

/** kubernetes.default from every nameserver of the pod, over UDP and TCP. */
export const dnsKubernetes = question(
  'pod',
  families,
  async (plan, row): Promise<DnsAnswer> => fromNameservers(plan, row, kubernetesName(plan)),
)

/** The destination service from every nameserver of the pod, over UDP and TCP. */
export const dnsService = question(
  'pod',
  families,
  async (plan, row): Promise<DnsAnswer> => fromNameservers(plan, row, serviceName(plan)),
)

/** kubernetes.default from every ready replica of the cluster's DNS, by its own address, over UDP and TCP. */
export const dnsReplicas = question('pod', families, async (plan, row): Promise<DnsAnswer> => {
  clusterDomain(plan)
  sourceHas(plan, row)
  const ready = readyReplicas(plan)
  const found = [...new Set(ready.map(({ family }) => familyName(family)))].join(' and ')
  const asked = needed(
    ofFamily(ready, row.family),
    `${familyName(row.family)} replicas of the cluster's DNS`,
    found ? `${given(plan.dns).service} has only ${found}` : 'it has none, and the pod does not use it',
  )
  const servers = asked.map((replica) => endpointTarget('a DNS replica', replica))
  await sidecarOf(plan, 'pod')
  const answers = await askAll(servers, kubernetesName(plan))
  return { targets: servers, answered: judgeEach('queries to DNS replicas', answers) }
})

/** A DNS service that the pod depends on and that nobody stands behind is the fault itself. */
function readyReplicas(plan: Plan): Endpoint[] {
  const { replicas, service, clusterIPs } = given(plan.dns)
  const ready = replicas.filter((replica) => replica.ready)
  const { nameservers } = given(given(plan.source).resolv)
  const [used] = nameservers.filter((address) => clusterIPs.includes(address))
  if (ready.length > 0 || used === undefined) return ready
  throw new CheckFailure('NO_READY_ENDPOINTS', `${service}, the pod's nameserver ${used}, has no ready replica`)
}

async function fromNameservers(plan: Plan, row: Asking, expected: Expected): Promise<DnsAnswer> {
  const servers = clusterNameservers(plan, row)
  const replicas = replicasBehind(plan, row)
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
  await sidecarOf(plan, 'pod')
  const judged = targets.map((target) =>
    askVirtual(
      target,
      replicas,
      (times) => askOften(target, times, expected),
      () => pathsLose(plan, row),
    ),
  )
  const answered = allOf(await Promise.all(judged))
  return { targets, answered: answered.ok ? { ...answered, detail: summaryOf(servers, expected) } : answered }
}

function summaryOf(servers: readonly string[], { records }: Expected): string {
  const shown = records.map(({ type, values }) => `${type} ${values === null ? 'any' : values.join(', ') || 'none'}`)
  return `${servers.join(', ')} answered as expected over UDP and TCP: ${shown.join('; ')}`
}

/** Every record type from one nameserver over one transport, often enough to meet each replica behind it. */
function askOften(target: Target, times: number, expected: Expected): Promise<Answer[]> {
  return askAll(
    Array.from({ length: times }, () => target),
    expected,
    { oneBackend: true },
  )
}

/** Every record type from every server. */
async function askAll(
  servers: readonly Target[],
  { name, records }: Expected,
  options: DnsOptions = {},
): Promise<Answer[]> {
  const asked = await Promise.all(records.map(({ type }) => askDns(servers, { name, type }, options)))
  return servers.flatMap((_, server) => {
    const results = asked.flatMap((list) => list[server] ?? [])
    const unknown = results.some(({ addresses }) => addresses.length > 0) ? 'any' : 'some'
    return results.map((result, record) => dnsAnswer(result, records[record]?.values ?? unknown))
  })
}

/**
 * The cluster's domain, as the pod's own search list says it ("svc.<domain>"). A pod whose search list does not name the
 * cluster's services does not use the cluster's DNS.
 */
function clusterDomain(plan: Plan): string {
  const { resolv, dnsPolicy } = given(plan.source)
  const { search } = given(resolv)
  const own = search.find((domain) => domain.startsWith('svc.'))
  if (own) return own.slice('svc.'.length)
  const policy = dnsPolicy ? ` (dnsPolicy ${dnsPolicy})` : ''
  throw new NotApplicable(
    `needs a pod that uses the cluster's DNS, it searches ${search.join(' ') || 'no domain'}${policy}`,
  )
}

/** The pod's nameservers of the family. */
function clusterNameservers(plan: Plan, { family }: Asking): string[] {
  const { nameservers } = given(given(plan.source).resolv)
  const own = nameservers.filter((address) => familyOf(address) === family)
  return needed(
    own,
    `an ${familyName(family)} nameserver in the pod's resolv.conf`,
    `it has ${nameservers.join(', ') || 'none'}`,
  )
}

function replicasBehind(plan: Plan, { family }: Asking): number {
  const { dns } = plan
  if (dns.state !== 'known') return 1
  const ready = ofFamily(dns.value.replicas, family).filter((replica) => replica.ready)
  return new Set(ready.map(({ address }) => address)).size
}

/** Without the API any address of either family will do: which it ought to be is not known. */
function kubernetesName(plan: Plan): Expected {
  const { service } = plan.api
  const name = `kubernetes.default.svc.${clusterDomain(plan)}.`
  if (service.state !== 'known') return { name, records: FAMILIES.map((type) => ({ type, values: null })) }
  return { name, records: addressRecords(service.value.clusterIPs) }
}

/** A service's name: its ClusterIPs, or the ready endpoints if headless, or the CNAME if ExternalName. */
function serviceName(plan: Plan): Expected {
  const service = given(plan.service)
  const name = `${service.name}.${service.namespace}.svc.${clusterDomain(plan)}.`
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
