/**
 * Faults of name resolution as data, in the shape of faults.ts, for a dual-stack cluster whose pods' nameserver is IPv4. They touch
 * DNS alone: no other check may notice them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type KubeObject, pathOf, until } from '../bed/kubernetes/api.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { callingPod } from '../bed/kubernetes/workloads.ts'
import { inNamespace } from '../bed/namespace.ts'
import { type Expected, type Fault, fails } from './faults.ts'
import { addRules, addressesOf, deleteRules, type Injection, nodes, podsOf, proxyKnows } from './injection.ts'

const V4 = { families: [4] } as const

/** The same code from each of these checks; of both families those that ask the replicas, of IPv4 the others. */
const each = (code: string, ...checks: readonly string[]): Expected[] =>
  checks.map((check) => fails(`pod/${check}`, code, check === 'dns-replicas' ? {} : V4))

const RESOLVER = ['dns-kubernetes', 'dns-service', 'dns-search', 'dns-external'] as const
const ALL = [...RESOLVER, 'dns-replicas'] as const
const failing = (...troubles: readonly Expected[]) => ({ exitCode: 1, troubles })

/** Packets of a pod on the first node that a rule matches vanish where they come in there, before a Service's address is translated. */
const droppedFrom = (app: string, ...rules: readonly string[]): Injection => ({
  async inject(cluster) {
    const source = addressesOf(await podsOf(cluster, app, nodes(cluster).first.name))
    const all = source.flatMap((one) => rules.map((rule) => `${saddr(one)} ${rule} drop`))
    addRules(nodes(cluster).first.namespace, 'inet', 'prerouting priority -300', all)
  },
  undo: async (cluster) => deleteRules(nodes(cluster).first.namespace, 'inet'),
})

const dropped = (...rules: readonly string[]): Injection => droppedFrom('bbox', ...rules)
const saddr = (address: string) => `${address.includes(':') ? 'ip6' : 'ip'} saddr ${address}`

/** The same for the DNS replica on the second node, on its way out of that node's stack. */
const droppedAtReplica = (protocol: 'udp' | 'tcp'): Injection => ({
  async inject(cluster) {
    const { second } = nodes(cluster)
    const source = addressesOf(await podsOf(cluster, 'bbox', nodes(cluster).first.name))
    const rules = source.map((one) => `${saddr(one)} ${protocol} dport 53 drop`)
    addRules(second.namespace, 'inet', 'forward priority -10', rules)
  },
  undo: async (cluster) => deleteRules(nodes(cluster).second.namespace, 'inet'),
})

const UDP_HEADER = 8
const DNS_HEADER = 12
/** QTYPE and QCLASS end a query without additional records. */
const QUESTION_TAIL = 4
const AAAA = 28

/** A rule for each length that a query may have: its type stands four bytes before its end. */
const typeIs = (type: number): string[] =>
  Array.from({ length: 100 }, (_, index) => UDP_HEADER + DNS_HEADER + QUESTION_TAIL + 1 + index).map(
    (length) => `udp dport 53 udp length ${length} @th,${(length - QUESTION_TAIL) * 8},16 ${type}`,
  )

/** Queries for `name` in the domain corp.test. */
const inCorp = (name: string): string => {
  // a length stands before each label
  const at = UDP_HEADER + DNS_HEADER + 1 + name.length + 1
  return `udp dport 53 @th,${at * 8},32 0x${Buffer.from('corp').toString('hex')}`
}

/** What the outside resolver gets from the cluster's DNS meets a rule. CoreDNS keeps an answer for 5 s at least. */
const upstream = (verdict: string): Injection => ({
  async inject({ underlay }) {
    addRules(underlay.outside, 'inet', 'input priority -10', [`meta l4proto { udp, tcp } th dport 53 ${verdict}`])
    await sleep(6000)
  },
  undo: async ({ underlay }) => deleteRules(underlay.outside, 'inet'),
})

const COREFILE = '/api/v1/namespaces/kube-system/configmaps/coredns'
const DEPLOYMENT = '/apis/apps/v1/namespaces/kube-system/deployments/coredns'
const KUBERNETES_ZONE = /^ {4}kubernetes [\s\S]*?^ {4}\}\n/m

/** The DNS pods made anew with another text in place of the kubernetes zone: they would read a changed file a minute later. */
function withoutZone(instead: string): Injection {
  let original = ''
  return {
    async inject(cluster) {
      const { data } = await cluster.api<{ data: { Corefile: string } }>(COREFILE)
      original = data.Corefile
      await setCorefile(cluster, original.replace(KUBERNETES_ZONE, instead))
    },
    undo: (cluster) => setCorefile(cluster, original),
  }
}

async function setCorefile(cluster: Cluster, Corefile: string): Promise<void> {
  await cluster.api(COREFILE, { method: 'PATCH', body: { data: { Corefile } } })
  await scale(cluster, 0)
  await scale(cluster, 2)
}

async function scale(cluster: Cluster, replicas: number): Promise<void> {
  await cluster.api(DEPLOYMENT, { method: 'PATCH', body: { spec: { replicas } } })
  const dnsPods = async () => (await cluster.pods()).filter(({ labels }) => labels['k8s-app'] === 'kube-dns')
  await until(`${replicas} DNS pods`, 60, async () => {
    const pods = await dnsPods()
    return pods.length === replicas && pods.every((pod) => pod.ready)
  })
  const addresses = addressesOf(await dnsPods()).filter((address) => !address.includes(':'))
  const service = cluster.plan.dnsService[0] ?? ''
  await until('kube-proxy to know of it', 20, async () =>
    replicas > 0
      ? addresses.every((address) => proxyKnows(cluster, address))
      : inNamespace(
          nodes(cluster).first.namespace,
          ...['nft', 'list', 'map', 'ip', 'kube-proxy', 'no-endpoint-services'],
        ).includes(service),
  )
}

/** A pod on the first node with a resolv.conf of its own. */
function ownResolver(config: (cluster: Cluster) => object): Injection {
  const pod = (cluster: Cluster): KubeObject => callingPod(nodes(cluster).first.name, config(cluster))
  return {
    async inject(cluster) {
      await cluster.apply([pod(cluster)])
      await cluster.waitReady()
    },
    async undo(cluster) {
      const path = pathOf(pod(cluster))
      await cluster.api(path, { method: 'DELETE' })
      await until('the pod to be gone', 20, () =>
        cluster.api(path).then(
          () => false,
          () => true,
        ),
      )
    },
  }
}

const CALLER = { SRC_POD: 'caller' }
const searches = (domain: string) => [`default.svc.${domain}`, `svc.${domain}`, domain]
const options = [{ name: 'ndots', value: '5' }]
const clusterDns = ({ plan }: Cluster) => plan.dnsService.slice(0, 1)

const both = (first: Injection, second: Injection): Injection => ({
  async inject(cluster) {
    await first.inject(cluster)
    await second.inject(cluster)
  },
  async undo(cluster) {
    await second.undo(cluster)
    await first.undo(cluster)
  },
})

export const DNS_FAULTS: readonly Fault[] = [
  {
    name: 'UDP 53 dropped, TCP 53 not',
    ...dropped('udp dport 53'),
    expect: failing(...each('DNS_UDP_BLOCKED', ...ALL)),
  },
  {
    name: 'TCP 53 dropped, UDP 53 not',
    ...dropped('tcp dport 53'),
    expect: failing(...each('DNS_TCP_BLOCKED', 'dns-kubernetes', 'dns-service', 'dns-replicas')),
  },
  {
    name: 'UDP 53 dropped to one replica of two',
    ...droppedAtReplica('udp'),
    expect: failing(
      ...each('BACKEND_DEAD', 'dns-kubernetes', 'dns-service', 'dns-external'),
      ...each('DNS_UDP_BLOCKED', 'dns-replicas'),
    ),
  },
  {
    name: 'TCP 53 dropped to one replica of two',
    ...droppedAtReplica('tcp'),
    expect: failing(
      ...each('BACKEND_DEAD', 'dns-kubernetes', 'dns-service'),
      ...each('DNS_TCP_BLOCKED', 'dns-replicas'),
    ),
  },
  {
    name: 'AAAA queries dropped, A queries not',
    ...dropped(...typeIs(AAAA)),
    expect: failing(...each('DNS_FAMILY_DROPPED', ...ALL)),
  },
  {
    name: 'queries with EDNS dropped',
    // one additional record
    ...dropped(`udp dport 53 @th,${(UDP_HEADER + 10) * 8},16 1`),
    expect: {
      exitCode: 0,
      troubles: [{ verdict: 'warn', check: 'pod/dns-replicas', code: 'DNS_EDNS_BROKEN' }],
    },
  },
  {
    name: 'the resolver outside dead',
    ...upstream('drop'),
    expect: failing(...each('DNS_UPSTREAM_BROKEN', 'dns-external')),
  },
  {
    name: 'the resolver outside refuses, so that CoreDNS says SERVFAIL',
    ...upstream('reject'),
    expect: failing(...each('DNS_UPSTREAM_BROKEN', 'dns-external')),
  },
  {
    name: 'the Corefile has no kubernetes zone',
    ...withoutZone(''),
    expect: failing(...each('DNS_NXDOMAIN', 'dns-kubernetes', 'dns-service', 'dns-search', 'dns-replicas')),
  },
  {
    name: 'the kubernetes zone is SERVFAIL',
    ...withoutZone('    template ANY ANY cluster.local {\n        rcode SERVFAIL\n    }\n'),
    expect: failing(...each('DNS_SERVFAIL', 'dns-kubernetes', 'dns-service', 'dns-search', 'dns-replicas')),
  },
  {
    name: 'no DNS replica at all',
    inject: (cluster) => scale(cluster, 0),
    undo: (cluster) => scale(cluster, 2),
    expect: failing(...each('NO_READY_ENDPOINTS', ...ALL)),
  },
  {
    name: 'a nameserver in the pod’s resolv.conf that is another DNS server',
    env: CALLER,
    ...ownResolver(({ plan }) => ({
      nameservers: plan.outside.slice(0, 1),
      searches: searches('cluster.local'),
      options,
    })),
    expect: failing(...each('DNS_NAMESERVER_WRONG', 'dns-kubernetes', 'dns-service', 'dns-search')),
  },
  {
    name: 'a nameserver in the pod’s resolv.conf that is gone',
    env: CALLER,
    // an address of the service range that no Service has
    ...ownResolver(({ plan }) => ({
      nameservers: [(plan.dnsService[0] ?? '').replace(/10$/, '99')],
      searches: searches('cluster.local'),
      options,
    })),
    expect: failing(...each('DNS_NAMESERVER_WRONG', ...RESOLVER)),
  },
  {
    name: 'a wrong cluster domain in the pod’s search list',
    env: CALLER,
    ...ownResolver((cluster) => ({ nameservers: clusterDns(cluster), searches: searches('k8s.test'), options })),
    expect: failing(...each('DNS_DOMAIN_WRONG', 'dns-kubernetes', 'dns-service', 'dns-search', 'dns-replicas')),
  },
  {
    name: 'a search domain that is silent',
    env: CALLER,
    ...both(
      ownResolver((cluster) => ({
        nameservers: clusterDns(cluster),
        searches: ['corp.test', ...searches('cluster.local')],
        options,
      })),
      droppedFrom('caller', inCorp('kubernetes.default'), inCorp('outside.test')),
    ),
    expect: failing(...each('DNS_SEARCH_BROKEN', 'dns-search', 'dns-external')),
  },
  {
    // the kernel's own race needs two CPUs at the same instant; here the second of two datagrams of one port is always dropped
    name: 'of two queries from one source port the second dropped',
    async inject(cluster) {
      const { first } = nodes(cluster)
      const source = addressesOf(await podsOf(cluster, 'bbox', first.name)).filter((one) => !one.includes(':'))
      const seen = 'meter seen { udp sport limit rate over 2/second burst 1 packets }'
      const rules = source.map((one) => `${saddr(one)} udp dport 53 ${seen} drop`)
      addRules(first.namespace, 'inet', 'prerouting priority -300', rules)
    },
    undo: async (cluster) => deleteRules(nodes(cluster).first.namespace, 'inet'),
    expect: failing(...each('DNS_RACE', 'dns-race')),
  },
]
