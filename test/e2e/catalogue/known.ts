/** What is told of the causes of the faults that are written as lists of exact troubles, topic by topic. */
import { setTimeout as sleep } from 'node:timers/promises'
import { pathOf } from '../../bed/kubernetes/api.ts'
import { callingPod } from '../../bed/kubernetes/workloads.ts'
import { DNS_FAULTS } from '../dns-faults.ts'
import { type Expected, FAULTS } from '../faults.ts'
import { nodes } from '../injection.ts'
import { NODE_FAULTS } from '../node-faults.ts'
import { POD_FAULTS } from '../pod-faults.ts'
import { enforceJail, JAILED_AS_MEANT, POLICY_FAULTS } from '../policy-faults.ts'
import { SERVICE_FAULTS } from '../service-faults.ts'
import { adopt, type Entry, type Repair, type Told, type Touched } from './entry.ts'
import { deletePod, madeAnew } from './network.ts'

const OTHER: readonly Touched[] = ['other node', 'dns', 'service']
const ALL: readonly Touched[] = ['same node', 'other node', 'external', 'api', 'dns', 'service']
const NAMED = /fault/
const ITS_HALF = /that pod's half of the path/
const CNI_AGENT = /CNI.s agent|CNI agent/

const firewall = (touches: readonly Touched[]): Told => ({
  class: 'firewall',
  place: 'node',
  touches,
  root: ['FIREWALL_DROPS'],
  names: NAMED,
})

const PATHS = adopt(FAULTS, {
  'packets from the pod to the API server dropped': firewall(['api']),
  'ip_forward=0 on the node': { class: 'forwarding', place: 'node', touches: ALL, root: ['FORWARDING_OFF'] },
  'VXLAN port dropped at the other node': {
    class: 'other node',
    place: 'other node',
    touches: OTHER,
    root: ['TUNNEL_UNANSWERED'],
    says: /Open UDP 8472/,
  },
  '1400-byte black hole in the underlay': null,
  'one of two DNS replicas dead': {
    class: 'dns',
    place: 'other node',
    touches: ['dns'],
    root: ['POD_UNANSWERED'],
    says: ITS_HALF,
  },
  'one endpoint of the service cut off on the source pod’s node': { ...firewall(['service']), class: 'services' },
  'one endpoint of the service dead': {
    class: 'services',
    place: 'other node',
    touches: ['service'],
    root: ['POD_UNANSWERED'],
    says: ITS_HALF,
  },
  'kube-proxy stopped and a service changed': {
    ...{
      class: 'services',
      place: 'node',
      touches: ['service'],
      root: ['KUBE_PROXY_UNHEALTHY'],
    },
    ...{ also: ['KUBE_PROXY_UNHEALTHY', 'SERVICE_RULES_MISSING'], says: /kube-proxy/ },
  },
  'the destination pod does not listen': {
    class: 'target pod',
    place: 'target pod',
    touches: ['other node'],
    root: ['NOTHING_LISTENING'],
    repair: madeAnew(/what it listens on/, 'mute', 'second'),
  },
  'the external address unreachable': {
    class: 'underlay',
    place: 'underlay',
    touches: ['external'],
    root: ['LEFT_NODE_UNANSWERED'],
    says: /Look beyond this node/,
  },
  'an API server endpoint that refuses': {
    class: 'api',
    place: 'cluster objects',
    touches: ['api'],
    root: ['NOTHING_LISTENING'],
    says: /listens on/,
  },
})

/** The pod is made anew with the resolv.conf that kubelet gives. */
const rightResolver = (says: RegExp): Repair => ({
  says,
  async run(cluster) {
    const pod = callingPod(nodes(cluster).first.name, {
      nameservers: cluster.plan.dnsService.slice(0, 1),
      searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      options: [{ name: 'ndots', value: '5' }],
    })
    await deletePod(cluster, pathOf(pod))
    await cluster.apply([pod])
    await cluster.waitReady()
  },
})

/** A field of a Service's spec, and the time that kube-proxy may take to see it. */
const setService = (says: RegExp, name: string, spec: object): Repair => ({
  says,
  async run(cluster) {
    await cluster.api(`/api/v1/namespaces/default/services/${name}`, { method: 'PATCH', body: { spec } })
    await sleep(3000)
  },
})

const inDns = (place: Told['place'], root: string, says?: RegExp): Told => ({
  class: 'dns',
  place,
  touches: ['dns'],
  root: [root],
  ...(says ? { says } : {}),
})

const DNS = adopt(DNS_FAULTS, {
  'UDP 53 dropped, TCP 53 not': { ...firewall(['dns']), class: 'dns' },
  'TCP 53 dropped, UDP 53 not': { ...firewall(['dns']), class: 'dns' },
  'UDP 53 dropped to one replica of two': inDns('other node', 'FILTERED_BEYOND', /firewall on node n2/),
  'TCP 53 dropped to one replica of two': inDns('other node', 'FILTERED_BEYOND', /firewall on node n2/),
  'AAAA queries dropped, A queries not': inDns('node', 'DNS_FAMILY_DROPPED', /filter that reads DNS packets/),
  'queries with EDNS dropped': inDns('node', 'DNS_EDNS_BROKEN', /drops DNS packets with additional records/),
  'the resolver outside dead': inDns('underlay', 'DNS_UPSTREAM_BROKEN', /forward line|forwards/),
  'the resolver outside refuses, so that CoreDNS says SERVFAIL': inDns(
    'underlay',
    'DNS_UPSTREAM_BROKEN',
    /forward line|forwards/,
  ),
  'the Corefile has no kubernetes zone': inDns('cluster objects', 'DNS_NXDOMAIN', /Corefile/),
  'the kubernetes zone is SERVFAIL': inDns('cluster objects', 'DNS_SERVFAIL', /logs|Corefile/),
  'no DNS replica at all': inDns('cluster objects', 'NO_READY_ENDPOINTS', /endpointslices|replicas|pods/),
  'a nameserver in the pod’s resolv.conf that is another DNS server': {
    ...inDns('pod', 'DNS_NAMESERVER_WRONG'),
    repair: rightResolver(/dnsConfig/),
  },
  'a nameserver in the pod’s resolv.conf that is gone': {
    ...inDns('pod', 'DNS_NAMESERVER_WRONG'),
    repair: rightResolver(/dnsConfig/),
  },
  'a wrong cluster domain in the pod’s search list': {
    ...inDns('pod', 'DNS_DOMAIN_WRONG'),
    repair: rightResolver(/dnsConfig/),
  },
  'a search domain that is silent': {
    ...inDns('pod', 'DNS_SEARCH_BROKEN'),
    repair: rightResolver(/who serves it|remove it/),
  },
  'of two queries from one source port the second dropped': inDns(
    'node',
    'DNS_RACE',
    /NodeLocal|single-request-reopen/,
  ),
})

const onNode = (kind: string, root: string, touches: readonly Touched[], says?: RegExp): Told => ({
  class: kind,
  place: 'node',
  touches,
  root: [root],
  ...(says ? { says } : {}),
})
const harmless = (kind: string, place: Told['place'] = 'node'): Told => ({ class: kind, place, touches: [], root: [] })

const NODE = adopt(NODE_FAULTS, {
  'IPv6 forwarding off': onNode('forwarding', 'FORWARDING_OFF', ALL),
  'IPv4 forwarding off on the bridge alone': onNode('forwarding', 'FORWARDING_OFF', ALL),
  'IPv6 forwarding off on the bridge alone, which the kernel does not ask': harmless('forwarding'),
  'IPv4 forwarding off on the uplink alone': onNode('forwarding', 'FORWARDING_OFF', ['external']),
  'strict reverse path filter where all ways are symmetric': harmless('reverse path'),
  'the other node answers beside the tunnel, and nobody filters': harmless('reverse path', 'other node'),
  'strict reverse path filter, and the other node answers beside the tunnel': onNode(
    'reverse path',
    'RP_FILTER',
    OTHER,
  ),
  'strict reverse path filter, and the way to the source pod leads elsewhere': onNode('reverse path', 'RP_FILTER', ALL),
  'bridged IPv4 packets do not meet netfilter': onNode('bridge', 'BRIDGE_NF_OFF', ['dns', 'service']),
  'bridged IPv6 packets do not meet netfilter': onNode('bridge', 'BRIDGE_NF_OFF', ['service']),
  'the routes to the other node’s pods deleted': onNode('routes', 'POD_ROUTE_MISSING', OTHER, CNI_AGENT),
  'the routes to the other node’s pods blackholed': onNode('routes', 'POD_ROUTE_WRONG', OTHER, CNI_AGENT),
  'the routes to the other node’s pods lead to the bridge (IPv4) and the uplink (IPv6)': onNode(
    'routes',
    'POD_ROUTE_WRONG',
    OTHER,
    CNI_AGENT,
  ),
  'the tunnel’s forwarding entry deleted': onNode('tunnel', 'TUNNEL_ENTRY_MISSING', OTHER, CNI_AGENT),
  'the tunnel’s forwarding entry names the router': onNode('tunnel', 'TUNNEL_ENTRY_WRONG', OTHER, CNI_AGENT),
  'the tunnel’s neighbour entries deleted': onNode('tunnel', 'TUNNEL_ENTRY_MISSING', OTHER, CNI_AGENT),
  'the tunnel’s neighbour entries hold a wrong hardware address': onNode(
    'tunnel',
    'TUNNEL_ENTRY_WRONG',
    OTHER,
    CNI_AGENT,
  ),
  'kube-proxy hangs': onNode('daemons', 'KUBE_PROXY_UNHEALTHY', [], /kube-proxy/),
  'the kubelet hangs': onNode('daemons', 'KUBELET_UNHEALTHY', [], /kubelet/),
  'KUBE-SERVICES in the legacy back end beside kube-proxy’s nftables': onNode(
    'back ends of iptables',
    'IPTABLES_MIXED',
    [],
    /back end/,
  ),
  'chains of one writer in both back ends': onNode('back ends of iptables', 'IPTABLES_MIXED', [], /back end/),
})

const ofService = (
  place: Told['place'],
  root: string,
  says?: RegExp,
  touches: readonly Touched[] = ['service'],
): Told => ({ class: 'services', place, touches, root: [root], ...(says ? { says } : {}) })

/** kube-proxy is frozen while its rules are changed: that it hangs is why they stay so. */
const unmended = (...touches: readonly Touched[]): Told =>
  ofService('node', 'KUBE_PROXY_UNHEALTHY', /[Rr]estart kube-proxy/, touches)

const SERVICES = adopt(SERVICE_FAULTS, {
  'kube-proxy frozen and an endpoint replaced': unmended('service'),
  "kube-proxy's tables deleted": unmended('service', 'dns', 'api'),
  "one backend missing in a service's rules": unmended('service'),
  "the rules of the cluster's DNS missing": unmended('dns'),
  'a UDP entry to a DNS replica that is gone, unused': unmended('dns'),
  'a UDP entry to a DNS replica that is gone, in use': unmended('dns'),
  'a service without endpoints': {
    ...ofService('cluster objects', 'NO_READY_ENDPOINTS'),
    repair: setService(/selector/, 'nobody', { selector: { app: 'web' } }),
  },
  'internalTrafficPolicy Local without an endpoint on the node': {
    ...ofService('cluster objects', 'NO_LOCAL_ENDPOINT'),
    repair: setService(/internalTrafficPolicy/, 'elsewhere', { internalTrafficPolicy: 'Cluster' }),
  },
  'a node firewall that drops a node port': { ...ofService('node', 'FIREWALL_DROPS'), names: NAMED },
  'the bridge sends nothing back where it came from': ofService('node', 'HAIRPIN_BROKEN', /hairpin/),
})

const ofPod = (
  kind: string,
  place: Told['place'],
  touches: readonly Touched[],
  root: readonly string[],
  says?: RegExp,
): Told => ({ class: kind, place, touches, root, ...(says ? { says } : {}) })
const withFamilies = ({ families, ...expected }: (typeof POD_FAULTS)[number]['troubles'][number]): Expected =>
  families.length === 0 ? { ...expected, once: true } : { ...expected, families }

const MADE_ANEW = /[Dd]elete the pod|delete (this|that) pod/

const POD = adopt(
  POD_FAULTS.map(({ checks, exitCode, troubles, ...fault }) => ({
    ...fault,
    args: checks,
    expect: { exitCode, troubles: troubles.map(withFamilies) },
  })),
  {
    'the pod’s interface is down': ofPod('pod’s link', 'pod', ALL, ['LINK_DOWN'], MADE_ANEW),
    'the other end on the node is down': ofPod('pod’s link', 'node', ALL, ['LINK_DOWN']),
    'the other end is out of the bridge': ofPod('pod’s link', 'node', ALL, ['VETH_DETACHED']),
    'the bridge keeps its ports apart': ofPod('pod’s link', 'node', ['same node', 'dns', 'service'], ['PORT_BLOCKED']),
    'the pod’s IPv4 address is gone': ofPod('pod’s addresses', 'pod', ALL, ['ADDRESS_MISSING'], MADE_ANEW),
    'the pod’s IPv6 address is gone': ofPod('pod’s addresses', 'pod', ALL, ['ADDRESS_MISSING'], MADE_ANEW),
    'one more address of the pod’s range on its interface': ofPod('pod’s addresses', 'pod', [], ['ADDRESS_FOREIGN']),
    'the pod’s default routes are gone': ofPod('pod’s routes', 'pod', ALL, ['NO_DEFAULT_ROUTE'], MADE_ANEW),
    'routes of the pod refuse the service range': ofPod(
      'pod’s routes',
      'pod',
      ['service', 'dns', 'api'],
      ['POD_ROUTE_BLOCKED'],
    ),
    'routes of the pod refuse the destination pod': ofPod('pod’s routes', 'pod', ['other node'], ['POD_ROUTE_BLOCKED']),
    'rules of the pod refuse the other node’s pods': ofPod('pod’s routes', 'pod', OTHER, ['POD_ROUTE_BLOCKED']),
    'a permanent neighbour entry of the gateway leads nowhere': ofPod('pod’s routes', 'pod', ALL, [
      'GATEWAY_MAC_WRONG',
    ]),
    'somebody else on the bridge has the pod’s addresses': ofPod(
      'pod’s addresses',
      'node',
      ALL,
      ['DUPLICATE_ADDRESS'],
      /Take the address from it/,
    ),
    'a sidecar takes every connection, and the probes go around it to a destination that is cut off': {
      ...firewall(['other node']),
      class: 'sidecar',
    },
    'a sidecar takes every connection, and a user gets past it': harmless('sidecar', 'pod'),
    'a sidecar takes every connection, and marked packets get past it': harmless('sidecar', 'pod'),
    // inconclusive: nothing is found, and nothing is said to be well
    'a sidecar takes every connection, and nobody gets past it': harmless('sidecar', 'pod'),
    'every address of the node is leased': ofPod(
      'address pool',
      'node',
      [],
      ['ADDRESS_POOL_EXHAUSTED'],
      /lease|address/,
    ),
    'nearly every address of the node is leased': ofPod(
      'address pool',
      'node',
      [],
      ['ADDRESS_POOL_LOW'],
      /Move pods away/,
    ),
    'most addresses of the node are leased to sandboxes that do not exist': ofPod(
      'address pool',
      'node',
      [],
      ['ADDRESS_LEAKED'],
      /lease|address/,
    ),
  },
)

const policy = (...root: readonly string[]): Told => ({ class: 'policy', place: 'cluster objects', touches: ALL, root })
const denies = (says: RegExp): Told => ({ ...policy('POLICY_DENIES'), says })

const POLICY = adopt(
  POLICY_FAULTS.map(({ says, remedy, ...fault }) => ({ ...fault, seen: says, ...(remedy ? { hints: remedy } : {}) })),
  {
    'an egress policy that allows DNS only': denies(/Add to spec\.egress of NetworkPolicy default\/jail/),
    'the same, expected by EXPECT_DENIED': policy(),
    'an egress policy that forgets DNS': denies(/ports: \[\{protocol: UDP, port: 53\}, \{protocol: TCP, port: 53\}\]/),
    'an ingress policy on one endpoint of four, which allows another port': denies(
      /spec\.ingress of NetworkPolicy default\/quarantine/,
    ),
    'an ingress policy that allows the port, and with it drops ping': policy(),
    'a policy that nothing enforces, and one that is not there, both expected': {
      ...policy('POLICY_NOT_ENFORCED', 'EXPECTED_DENIED_BUT_REACHED'),
      repair: { says: /enforce|EXPECT_DENIED/, run: enforceJail, env: JAILED_AS_MEANT },
    },
  },
)

export const known: readonly Entry[] = [...PATHS, ...DNS, ...NODE, ...SERVICES, ...POD, ...POLICY]
