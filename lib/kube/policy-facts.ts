/** The policies of a run: what is needed of them is read, no more, and evaluated for every way that the pod checks try. */
import type { V1LabelSelector, V1Namespace, V1NetworkPolicy, V1Pod } from '@kubernetes/client-node'
import type {
  ApiFacts,
  DestinationRow,
  Endpoint,
  Fact,
  Peer,
  PeerNode,
  PodTarget,
  PolicyFacts,
  ServiceFacts,
} from '../types.ts'
import type { Kube } from './client.ts'
import type { DnsService } from './cluster.ts'
import { known, mapFact } from './fact.ts'
import { type NodeObject, type PodObject, podId, podObject, RESOURCES } from './objects.ts'
import { type Direction, directionsOf, policiesOn } from './policies.ts'
import { type OtherPolicies, readOtherPolicies } from './policy-others.ts'
import type { PolicyReader } from './policy-reader.ts'
import { asksForLabels, type End, type Labels, type PodEnd, rulesOf } from './policy-rules.ts'
import { type EndedWay, limitOf, limitsOf, type Scene, virtualLimit } from './policy-ways.ts'
import { listPods } from './source.ts'

/** What a run tries to reach. */
export interface Reached {
  readonly destinations: Readonly<Record<DestinationRow, Fact<PodTarget>>>
  readonly service: Fact<ServiceFacts>
  readonly dns: Fact<DnsService>
  readonly api: Pick<ApiFacts, 'service' | 'endpoints'>
  readonly external: readonly string[]
  readonly peerNode: Fact<PeerNode>
  readonly node: Fact<NodeObject>
  readonly peers: readonly Peer[]
}

/** Pods that were read already. */
export type ReadPods = readonly PodObject[]

/**
 * Evaluates the policies of the source's namespace for what leaves it, and those of each destination's for what reaches it.
 * Where there are none, nothing but them and `others` is asked for. Unknown: the source's policies could not be read.
 */
export async function readPolicyFacts(
  kube: Kube,
  reader: PolicyReader,
  source: PodObject,
  reached: Reached,
  read: ReadPods,
  others: Promise<OtherPolicies> = readOtherPolicies(kube),
): Promise<Fact<PolicyFacts>> {
  const own = await reader.of(source.namespace)
  if (own.state !== 'known') return own
  const tried = triedWays(reached)
  const namespaces = [...new Set([source.namespace, ...tried.pods.map((id) => id.split('/')[0] ?? '')])]
  const policies = new Map<string, readonly V1NetworkPolicy[] | null>()
  for (const name of namespaces) {
    const list = await reader.of(name)
    policies.set(name, list.state === 'known' ? list.value.items : null)
  }
  const all = [...policies.values()].flatMap((list) => list ?? [])
  // on the host network no policy isolates it in a defined way
  const selecting = (direction: Direction) => (source.hostNetwork ? [] : policiesOn(source, all, direction))
  const names = { egress: selecting('Egress'), ingress: selecting('Ingress') }
  const { present, unseen } = await others
  const facts = { ...names, others: present, unseen }
  const matter = matters(source, policies, names.egress.length > 0 || names.ingress.length > 0)
  if (!matter(source.namespace) && !namespaces.some(matter)) return known({ ...facts, limits: [], wayBack: {} })
  const wanted = tried.pods.filter((id) => names.egress.length > 0 || matter(id.split('/')[0] ?? ''))
  const [pods, labels] = await Promise.all([
    readPods(kube, wanted, [source, ...read]),
    asksForNamespaces(all) ? readNamespaces(kube, namespaces) : new Map<string, Labels | null>(),
  ])
  const podEnd = (id: string): PodEnd => endOf(id, pods.get(id), labels)
  const scene: Scene = {
    source: { ...podEnd(podId(source)), hostNetwork: source.hostNetwork },
    sourceAddresses: source.addresses,
    sourceNode: source.node,
    policiesIn: (namespace) => policies.get(namespace) ?? null,
  }
  const ended = endings(reached, podEnd)
  const plain = tried.ways.map(ended)
  const virtual = tried.virtual.map(({ backends, ...way }) => ({ ...way, backends: backends.map(ended) }))
  return known({
    ...facts,
    limits: [...limitsOf(plain, scene), ...virtual.flatMap((way) => virtualLimit(way, scene) ?? [])],
    wayBack: waysBack(reached, scene, podEnd),
  })
}

/** Whether policies of a namespace can change anything: any for what reaches its pods, the source's own for what leaves it. */
function matters(
  source: PodObject,
  policies: ReadonlyMap<string, readonly V1NetworkPolicy[] | null>,
  isolated: boolean,
): (namespace: string) => boolean {
  return (namespace) => {
    const own = policies.get(namespace)
    if (own === null) return true
    const ingress = own?.some(({ spec }) => directionsOf(spec).includes('Ingress')) === true
    return ingress || (namespace === source.namespace && isolated)
  }
}

/** A way whose end is named: a pod, or else an address that may be a node's. */
interface Tried extends Omit<EndedWay, 'end'> {
  /** namespace/name; null: no pod, as far as is known. */
  readonly pod: string | null
  /** Whether it may be a pod's address all the same. */
  readonly unclear?: boolean
}

interface TriedWays {
  readonly ways: readonly Tried[]
  readonly virtual: readonly (Pick<Endpoint, 'address' | 'protocol' | 'port'> & {
    readonly backends: readonly Tried[]
  })[]
  /** namespace/name of every pod at an end. */
  readonly pods: readonly string[]
}

/** A pod without a known port is asked on the discard port (lib/question/pod.ts). */
const DISCARD_PORT = 9
const DNS_PORT = 53
/** NodeLocal DNSCache listens there by default, on the host network of each node. */
const NODE_LOCAL_DNS = '169.254.20.10'

/** Every address, protocol and port that the pod checks try. */
export function triedWays({ destinations, service, dns, api, external, peers }: Reached): TriedWays {
  const pods = [
    ...Object.values(destinations).flatMap((row) => (row.state === 'known' ? [row.value] : [])),
    ...peers.flatMap(({ node, pod }) => (pod ? [{ ...pod, node, tcpPorts: [pod.port] }] : [])),
  ]
  const endpoints = readyOf(service.state === 'known' ? service.value.endpoints : service)
  const replicas = readyOf(mapFact(dns, (value) => value.replicas))
  const servers = readyOf(api.endpoints)
  const ways = [
    ...pods.flatMap(podWays),
    ...withPings(endpoints.map(behindService)),
    ...replicas.map(behindService),
    ...withPings(servers.map(endpointWay)),
    ...external.map((address): Tried => ({ address, protocol: 'icmp', port: null, pod: null, node: null })),
    ...(['udp', 'tcp'] as const).map(
      (protocol): Tried => ({ address: NODE_LOCAL_DNS, protocol, port: DNS_PORT, pod: null, node: null }),
    ),
  ]
  const facts = service.state === 'known' ? service.value : null
  const virtual = [
    ...(facts?.clusterIPs ?? []).flatMap((address) =>
      (facts?.ports ?? []).map(({ name, protocol, port }) => ({
        ...{ address, protocol, port },
        backends: endpoints.filter((one) => one.portName === name && one.protocol === protocol),
      })),
    ),
    ...(dns.state === 'known' ? dns.value.clusterIPs : []).flatMap((address) =>
      (['udp', 'tcp'] as const).map((protocol) => ({
        ...{ address, protocol, port: DNS_PORT },
        backends: replicas.filter((one) => one.protocol === protocol),
      })),
    ),
    ...(api.service.state === 'known' ? api.service.value.clusterIPs : []).map((address) => ({
      ...{ address, protocol: 'tcp' as const, port: api.service.state === 'known' ? api.service.value.port : 0 },
      backends: servers,
    })),
  ].map(({ backends, ...way }) => ({
    ...way,
    backends: backends
      .filter(({ address }) => address.includes(':') === way.address.includes(':'))
      .map(backends === servers ? endpointWay : behindService),
  }))
  const named = [...ways, ...virtual.flatMap(({ backends }) => backends)].flatMap(({ pod }) => pod ?? [])
  return { ways, virtual, pods: [...new Set(named)] }
}

const readyOf = (fact: Fact<readonly Endpoint[]>): Endpoint[] =>
  fact.state === 'known' ? fact.value.filter(({ ready, port }) => ready && port > 0) : []

const endpointWay = ({ address, protocol, port, pod, node }: Endpoint): Tried => ({
  ...{ address, protocol, port },
  pod: pod ?? null,
  node: node ?? null,
})

/** An endpoint that names no pod may be one all the same, outside of the API server's. */
const behindService = (endpoint: Endpoint): Tried => ({ ...endpointWay(endpoint), unclear: true })

type Asked = Pick<PodTarget, 'namespace' | 'name' | 'addresses' | 'tcpPorts' | 'node'>

function podWays({ namespace, name, addresses, tcpPorts, node }: Asked): Tried[] {
  const pod = namespace === '' ? null : podId({ namespace, name })
  const ports = tcpPorts.length > 0 ? tcpPorts : [DISCARD_PORT]
  return addresses.flatMap((address) => [
    ...ports.map((port): Tried => ({ address, protocol: 'tcp', port, pod, node, unclear: true })),
    { address, protocol: 'icmp', port: null, pod, node, unclear: true, tcpPorts },
  ])
}

/** The ways, and a ping of each address. */
function withPings(ways: readonly Tried[]): Tried[] {
  const byAddress = groups(ways, ({ address }) => address)
  const pings = [...byAddress.values()].map((own): Tried => {
    const tcpPorts = own.flatMap(({ protocol, port }) => (protocol === 'tcp' && port !== null ? [port] : []))
    return { ...(own[0] as Tried), protocol: 'icmp', port: null, tcpPorts }
  })
  return [...ways, ...pings]
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const item of items) {
    const group = found.get(keyOf(item))
    if (group) group.push(item)
    else found.set(keyOf(item), [item])
  }
  return found
}

/** What stands at the end of a way. */
function endings({ peerNode, node }: Reached, podEnd: (id: string) => PodEnd): (way: Tried) => EndedWay {
  const here = new Set([...(node.state === 'known' ? node.value.internalIPs : []), NODE_LOCAL_DNS])
  const nodes = new Set([...here, ...(peerNode.state === 'known' ? peerNode.value.known : [])])
  const endAt = (address: string, unclear: boolean): End => {
    if (nodes.has(address)) return { kind: 'node', here: here.has(address) }
    return { kind: unclear ? 'unclear' : 'outside' }
  }
  return ({ pod, unclear = false, ...way }) => ({
    ...way,
    end: pod === null ? endAt(way.address, unclear) : podEnd(pod),
  })
}

function endOf(id: string, pod: PodObject | undefined, namespaces: ReadonlyMap<string, Labels | null>): PodEnd {
  const [namespace = '', name = ''] = id.split('/')
  return {
    kind: 'pod',
    namespace,
    name,
    labels: pod?.labels ?? null,
    namespaceLabels: namespaces.get(namespace) ?? null,
    ports: pod?.namedPorts ?? null,
    hostNetwork: pod?.hostNetwork ?? false,
  }
}

/** Whether the way back from a destination pod to the source, by any means, is not plainly allowed. */
function waysBack({ destinations }: Reached, scene: Scene, podEnd: (id: string) => PodEnd): PolicyFacts['wayBack'] {
  const rows = Object.entries(destinations).flatMap(([row, fact]): [string, string][] => {
    if (fact.state !== 'known' || fact.value.namespace === '') return []
    const { addresses, node } = fact.value
    const from: Scene = {
      ...scene,
      source: podEnd(podId(fact.value)),
      sourceAddresses: addresses,
      sourceNode: node,
    }
    const limits = scene.sourceAddresses.flatMap(
      (address) =>
        limitOf({ address, protocol: 'icmp', port: null, end: scene.source, node: scene.sourceNode }, from) ?? [],
    )
    return limits[0] ? [[row, limits[0].why]] : []
  })
  return Object.fromEntries(rows)
}

/** So many pods of a namespace are read one by one; more by lists. */
const FEW = 8

async function readPods(kube: Kube, ids: readonly string[], read: ReadPods): Promise<ReadonlyMap<string, PodObject>> {
  const pods = new Map(read.map((pod) => [podId(pod), pod]))
  const missing = groups(
    ids.filter((id) => !pods.has(id)),
    (id) => id.split('/')[0] ?? '',
  )
  await Promise.all(
    [...missing].map(async ([namespace, own]) => {
      for (const pod of own.length > FEW ? await listed(kube, namespace) : await single(kube, namespace, own))
        pods.set(podId(pod), pod)
    }),
  )
  return pods
}

async function listed(kube: Kube, namespace: string): Promise<readonly PodObject[]> {
  const list = await listPods(kube, { namespace, pages: 20 })
  return list.state === 'known' ? list.value.items : []
}

async function single(kube: Kube, namespace: string, ids: readonly string[]): Promise<readonly PodObject[]> {
  const asked = ids.map((id) => kube.get<V1Pod>(RESOURCES.pods, namespace, id.split('/')[1] ?? ''))
  return (await Promise.all(asked)).flatMap((pod) => (pod.state === 'known' ? [podObject(pod.value)] : []))
}

async function readNamespaces(kube: Kube, names: readonly string[]): Promise<Map<string, Labels | null>> {
  const read = names.map(async (name): Promise<[string, Labels | null]> => {
    const namespace = await kube.get<V1Namespace>(RESOURCES.namespaces, null, name)
    return [name, namespace.state === 'known' ? (namespace.value.metadata?.labels ?? {}) : null]
  })
  return new Map(await Promise.all(read))
}

/** Whether any rule looks at the labels of namespaces. */
function asksForNamespaces(policies: readonly V1NetworkPolicy[]): boolean {
  const selectors = policies.flatMap((policy) =>
    (['Ingress', 'Egress'] as const).flatMap((direction) =>
      rulesOf(policy, direction).flatMap(({ peers }) => peers.map(({ namespaceSelector }) => namespaceSelector)),
    ),
  )
  return selectors.some((selector: V1LabelSelector | undefined) => asksForLabels(selector))
}
