/** What the API says about itself, about this node and about the cluster's DNS. */
import type { V1ConfigMap, V1EndpointSlice, V1Namespace, V1Node, V1Service } from '@kubernetes/client-node'
import { closest, type Settings } from '../settings.ts'
import type {
  ApiFacts,
  ClusterNode,
  ClusterNodes,
  Endpoint,
  Fact,
  HealthCheck,
  NodeFacts,
  Outcome,
  PeerNode,
} from '../types.ts'
import type { Kube, Listed } from './client.ts'
import { absent, known, mapFact, unknown } from './fact.ts'
import { IN_CLUSTER } from './kubeconfig.ts'
import { endpointsOf, type NodeObject, nodeObject, RESOURCES, serviceBasics } from './objects.ts'

const { configMaps, endpointSlices, namespaces, nodes, services } = RESOURCES

export const sliceSelector = (service: string): string => `kubernetes.io/service-name=${service}`

/** Everything about the API server, asked at once. */
export async function readApi(kube: Kube): Promise<ApiFacts> {
  const [livez, readyz, service, endpoints, ca, cluster] = await Promise.all([
    readHealth(kube, 'livez'),
    readHealth(kube, 'readyz'),
    kube.get<V1Service>(services, 'default', 'kubernetes'),
    readEndpoints(kube, 'default', 'kubernetes'),
    readAuthority(kube),
    readIdentity(kube),
  ])
  const basics = mapFact(service, serviceBasics)
  return {
    server: known(kube.server),
    livez,
    readyz,
    service: mapFact(basics, ({ clusterIPs, ports }) => ({ clusterIPs, port: ports[0]?.port ?? 443 })),
    endpoints,
    ca,
    cluster,
  }
}

/** Endpoints of a Service by its slices (never the deprecated Endpoints object). */
export async function readEndpoints(
  kube: Kube,
  namespace: string,
  service: string,
): Promise<Fact<readonly Endpoint[]>> {
  const options = { namespace, labelSelector: sliceSelector(service), pages: 20 }
  const list = await kube.list<V1EndpointSlice>(endpointSlices, options)
  if (list.state === 'known' && !list.value.complete) {
    // What is compared with the whole must be the whole.
    const reason = `only a part of the EndpointSlices of ${namespace}/${service} could be read`
    return unknown('API_UNAVAILABLE', reason, 'Run again; see the health of the API server.')
  }
  return mapFact(list, ({ items }) => endpointsOf(items))
}

/** An unhealthy server answers 500 with the same list: an answer, whose failing lines are the outcome. */
async function readHealth(kube: Kube, path: 'livez' | 'readyz'): Promise<Fact<Outcome<readonly HealthCheck[]>>> {
  return mapFact(await kube.text(`/${path}?verbose`, [500]), ({ status, body }) => healthOutcome(path, status, body))
}

/**
 * "[+]etcd ok" and "[-]etcd failed: reason withheld" (apiserver healthz, verbose). Code: API_NOT_HEALTHY.
 * Lines that say "excluded: ok" are checks that were asked for to be left out: they do not exist for us.
 */
export function healthOutcome(path: string, status: number, body: string): Outcome<readonly HealthCheck[]> {
  const checks = body.split('\n').flatMap((line): HealthCheck[] => {
    const match = /^\[([+-])\](\S+)\s*(.*)$/.exec(line.trim())
    if (!match?.[2] || match[3]?.startsWith('excluded')) return []
    const ok = match[1] === '+'
    return [{ name: match[2], ok, ...(ok ? {} : { detail: match[3] ?? '' }) }]
  })
  const failing = checks.filter(({ ok }) => !ok)
  const rows = checks.map(({ name, ok, detail }) => [name, ok ? 'ok' : (detail ?? 'failed')])
  const evidence = [{ kind: 'table', name: path, columns: ['check', 'state'], rows } as const]
  if (status === 200 && failing.length === 0) return { ok: true, value: checks, evidence }
  const names = failing.map(({ name }) => name).join(', ')
  const detail = names ? `${path} fails: ${names}` : `${path} answers ${status} and names no failing check`
  return { ok: false, code: 'API_NOT_HEALTHY', detail, evidence }
}

/**
 * What pods verify the API server against: the kube-root-ca.crt ConfigMap. The kubeconfig's authority comes second: it may
 * belong to a proxy or load balancer in front of the cluster.
 */
async function readAuthority(kube: Kube): Promise<Fact<string>> {
  // a service account's token comes with that very ConfigMap: no need to be allowed to read it
  if (kube.server.from === IN_CLUSTER && kube.server.ca !== null) return known(kube.server.ca)
  const root = await kube.get<V1ConfigMap>(configMaps, 'default', 'kube-root-ca.crt')
  const pem = root.state === 'known' ? root.value.data?.['ca.crt'] : undefined
  if (pem) return known(pem)
  if (kube.server.ca !== null) return known(kube.server.ca)
  if (root.state === 'unknown') return root
  return unknown(
    'CA_UNKNOWN',
    'neither the kubeconfig nor the ConfigMap default/kube-root-ca.crt names the cluster’s certificate authority',
    'Add certificate-authority-data to the cluster in the kubeconfig.',
  )
}

async function readIdentity(kube: Kube): Promise<ApiFacts['cluster']> {
  const [system, version] = await Promise.all([
    kube.get<V1Namespace>(namespaces, null, 'kube-system'),
    kube.text('/version'),
  ])
  if (system.state !== 'known') return system
  const { gitVersion = '', major = '', minor = '' } = version.state === 'known' ? parsed(version.value.body) : {}
  const told = /^v[1-9]/.test(gitVersion) ? gitVersion : major && `v${major}.${minor}`
  return known({ uid: system.value.metadata?.uid ?? '', version: told || 'unknown' })
}

function parsed(body: string): { gitVersion?: string; major?: string; minor?: string } {
  try {
    return JSON.parse(body)
  } catch {
    return {}
  }
}

/** This node's name, how it was found, and its Node object. */
export interface ThisNode {
  readonly name: string
  readonly nameFrom: NodeFacts['nameFrom']
  readonly object: Fact<NodeObject>
}

/**
 * NODE_NAME, else the Node whose InternalIP is a local address, else the host name. The Node of the host's name is asked
 * first: on most clusters that is it, and a big cluster's Nodes need not be listed. Code: NODE_NOT_FOUND.
 */
export async function readNode(
  kube: Kube,
  settings: Settings,
  local: { readonly addresses: readonly string[]; readonly hostname: string },
): Promise<ThisNode> {
  const host = local.hostname.toLowerCase()
  if (settings.nodeName !== null) {
    const object = mapFact(await kube.get<V1Node>(nodes, null, settings.nodeName), nodeObject)
    return { name: settings.nodeName, nameFrom: 'setting', object: await named(kube, settings.nodeName, object) }
  }
  const isHere = ({ internalIPs }: NodeObject) => internalIPs.some((address) => local.addresses.includes(address))
  const same = mapFact(await kube.get<V1Node>(nodes, null, host), nodeObject)
  if (same.state === 'known' && isHere(same.value)) return { name: host, nameFrom: 'node-object', object: same }
  const all = mapFact(await kube.list<V1Node>(nodes, { namespace: null, pages: 20 }), ({ items }) =>
    items.map(nodeObject),
  )
  const found = all.state === 'known' ? all.value.find(isHere) : undefined
  if (found) return { name: found.name, nameFrom: 'node-object', object: known(found) }
  const object = same.state === 'absent' ? (all.state === 'known' ? nobody(host, all.value) : all) : same
  return { name: host, nameFrom: 'hostname', object }
}

async function named(kube: Kube, name: string, object: Fact<NodeObject>): Promise<Fact<NodeObject>> {
  if (object.state !== 'absent') return object
  const all = await kube.list<V1Node>(nodes, { namespace: null })
  const names = all.state === 'known' ? all.value.items.map(({ metadata }) => metadata?.name ?? '') : []
  const near = closest(name, names)
  return unknown(
    'NODE_NOT_FOUND',
    `NODE_NAME=${name}: the cluster has no such Node`,
    near.length > 0 ? `The closest names: ${near.join(', ')}.` : 'Write it as "kubectl get nodes" shows it.',
  )
}

function nobody(host: string, all: readonly NodeObject[]): Fact<never> {
  return unknown(
    'NODE_NOT_FOUND',
    `none of the cluster’s ${all.length} Nodes has an InternalIP of this machine, and none is called ${host}`,
    'Set NODE_NAME; in a pod, run with hostNetwork: true.',
  )
}

/** So many Nodes are looked at: an object holds its images' names and weighs kilobytes. */
const NODES_A_PAGE = 250
const NODE_PAGES = 2

/** The other nodes: one of them to ask, and what is known of all. */
export interface Nodes {
  readonly peerNode: Fact<PeerNode>
  readonly clusterNodes: Fact<ClusterNodes>
}

export async function readNodes(kube: Kube, finding: Promise<ThisNode>): Promise<Nodes> {
  const [list, self] = await Promise.all([
    kube.list<V1Node>(nodes, { namespace: null, pages: NODE_PAGES, pageSize: NODES_A_PAGE }),
    finding,
  ])
  if (list.state !== 'known') return { peerNode: list, clusterNodes: list }
  const all = list.value.items.map(nodeObject)
  const { complete } = list.value
  return { peerNode: choosePeer(all, self.name), clusterNodes: known({ nodes: all.map(clusterNode), complete }) }
}

const clusterNode = (node: NodeObject): ClusterNode => ({
  name: node.name,
  ready: node.ready,
  runsPods: !node.virtual && Boolean(node.runtimeVersion),
  addresses: [...node.internalIPs, ...node.otherIPs],
  podCIDRs: node.podCIDRs,
})

/**
 * Another node: the Ready one that comes after this one by name (the first one after the last), so that each node of a small
 * cluster is asked by one other. Absent: there is none.
 The choice is made among the Nodes that were read. Pure.
 */
export function choosePeer(all: readonly NodeObject[], self: string): Fact<PeerNode> {
  const others = all
    .filter((node) => node.name !== self && node.ready && node.internalIPs.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const peer = others.find(({ name }) => name > self) ?? others[0]
  if (!peer) return absent('another Ready node', `none among ${all.length} Nodes`)
  return known({ name: peer.name, addresses: peer.internalIPs, known: all.flatMap(({ internalIPs }) => internalIPs) })
}

/** The cluster's DNS as the API knows it; the domain is the pod's own business (its resolv.conf). */
export interface DnsService {
  readonly clusterIPs: readonly string[]
  /** namespace/name */
  readonly service: string
  readonly replicas: readonly Endpoint[]
  readonly internalTrafficLocal?: boolean
}

/** The DNS service of kube-system (label k8s-app=kube-dns), or OpenShift's openshift-dns/dns-default. */
export async function readDns(kube: Kube): Promise<Fact<DnsService>> {
  const [system, openshift] = await Promise.all([
    kube.list<V1Service>(services, { namespace: 'kube-system' }),
    kube.get<V1Service>(services, 'openshift-dns', 'dns-default'),
  ])
  const found = system.state === 'known' ? chooseDns(system.value) : undefined
  const service = found ?? (openshift.state === 'known' ? openshift.value : undefined)
  if (!service) {
    if (system.state === 'unknown') return system
    return absent('a cluster DNS service', 'kube-system has none with port 53 and the label k8s-app=kube-dns')
  }
  const { namespace, name, clusterIPs, internalTrafficLocal } = serviceBasics(service)
  const slices = await kube.list<V1EndpointSlice>(endpointSlices, { namespace, labelSelector: sliceSelector(name) })
  return mapFact(slices, ({ items }) => {
    const asked = new Set((service.spec?.ports ?? []).filter(({ port }) => port === 53).map((port) => port.name ?? ''))
    const replicas = endpointsOf(items).filter(({ portName }) => asked.has(portName))
    return {
      clusterIPs,
      service: `${namespace}/${name}`,
      replicas,
      ...(internalTrafficLocal ? { internalTrafficLocal } : {}),
    }
  })
}

/** NodeLocal DNSCache adds kube-dns-upstream with the same label: the one of the usual name wins, then by name. */
function chooseDns({ items }: Listed<V1Service>): V1Service | undefined {
  const serving = items.filter(
    ({ spec }) => spec?.clusterIP && spec.clusterIP !== 'None' && spec.ports?.some(({ port }) => port === 53),
  )
  const rank = ({ metadata }: V1Service) =>
    metadata?.name === 'kube-dns' ? 0 : metadata?.labels?.['k8s-app'] === 'kube-dns' ? 1 : 2
  return serving.toSorted(
    (a, b) => rank(a) - rank(b) || (a.metadata?.name ?? '').localeCompare(b.metadata?.name ?? ''),
  )[0]
}
