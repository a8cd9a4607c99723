/**
 * Faults as data: how each is made, how it is taken back, and what the suite must say about it. They cut the path between
 * source and target only, so that every pod stays Ready: the cluster itself notices nothing.
 * All are made for a dual-stack cluster with kube-proxy in nftables mode, the source pod being bbox on the first node.
 */
import type { Family, Result } from '../../lib/types.ts'
import { pathOf, until } from '../bed/kubernetes/api.ts'
import { mutePod, WEB_PORTS } from '../bed/kubernetes/workloads.ts'
import { inNamespace } from '../bed/namespace.ts'
import { VXLAN_PORT } from '../bed/overlay.ts'
import {
  addRules,
  addressesOf,
  CHANGED_PORT,
  cutFromSource,
  deadPod,
  deleteRules,
  drop,
  type Injection,
  lastRemoteWeb,
  nodes,
  podsOf,
  proxyKnows,
  setForwarding,
  setServicePort,
  strangeSlice,
} from './injection.ts'
import { trouble } from './suite.ts'

/** A result that is neither pass nor not-applicable; families: both unless told, none for questions that have no family. */
export interface Expected extends Pick<Result, 'verdict' | 'check'> {
  readonly row?: string
  readonly families?: readonly Family[]
  /** The question has no family. */
  readonly once?: true
  readonly code: string
}

/** Lines as troubles() words them, one for each family. */
export const linesOf = ({ families = [4, 6], once, ...expected }: Expected): string[] =>
  once ? [trouble(expected)] : families.map((family) => trouble({ ...expected, family }))

export interface Fault extends Injection {
  readonly name: string
  /** What is asked, where a fault has more echoes than can be told beforehand (ICMP errors are rate-limited); default: everything. */
  readonly args?: readonly string[]
  /** Settings of the run that meets the fault. */
  readonly env?: Readonly<Record<string, string>>
  readonly expect: { readonly exitCode: number; readonly troubles: readonly Expected[] }
}

type More = Pick<Expected, 'row' | 'families' | 'once'>

export const fails = (check: string, code: string, more: More = {}): Expected => ({
  verdict: 'fail',
  check,
  code,
  ...more,
})

// the API and, as kubeadm sets it up, the pods' nameserver are IPv4 in a dual-stack cluster
const V4 = { families: [4] } as const
const V6 = { families: [6] } as const

export const OTHER_NODE_DEAD: readonly Expected[] = [
  fails('pod/destination-ping', 'UNREACHABLE', { row: 'other-node' }),
  fails('pod/destination-tcp', 'UNREACHABLE', { row: 'other-node' }),
  fails('pod/mtu-destination', 'UNREACHABLE', { row: 'other-node' }),
  fails('pod/endpoints-ping', 'UNREACHABLE'),
  fails('pod/endpoints-port', 'UNREACHABLE'),
]

/** Nothing passes between the pods of the two nodes. */
export const BETWEEN_NODES_DEAD: readonly Expected[] = [
  ...OTHER_NODE_DEAD,
  fails('pod/dns-external', 'BACKEND_DEAD', V4),
  fails('pod/dns-kubernetes', 'BACKEND_DEAD', V4),
  fails('pod/dns-replicas', 'DNS_NO_ANSWER'),
  fails('pod/dns-service', 'BACKEND_DEAD', V4),
  fails('pod/service-cluster-ip', 'BACKEND_DEAD'),
]

/** Neither does anything to the outside, nor to a pod of this node by a ClusterIP over IPv4. */
export const FORWARDING_DEAD: readonly Expected[] = [
  ...OTHER_NODE_DEAD,
  fails('host/forwarding', 'FORWARDING_OFF'),
  fails('pod/dns-external', 'DNS_NO_ANSWER', V4),
  fails('pod/dns-kubernetes', 'DNS_NO_ANSWER', V4),
  fails('pod/dns-replicas', 'DNS_NO_ANSWER'),
  fails('pod/dns-search', 'DNS_NO_ANSWER', V4),
  fails('pod/dns-service', 'DNS_NO_ANSWER', V4),
  fails('pod/external-ping', 'UNREACHABLE'),
  fails('pod/mtu-external', 'UNREACHABLE'),
  // a bridge hands a translated IPv4 packet back to a pod of its own only where forwarding is on
  // (br_nf_pre_routing_finish, net/bridge/br_netfilter_hooks.c); its IPv6 twin does not ask
  fails('pod/service-cluster-ip', 'UNREACHABLE', V4),
  fails('pod/service-cluster-ip', 'BACKEND_DEAD', V6),
]

export const FAULTS: readonly Fault[] = [
  {
    name: 'packets from the pod to the API server dropped',
    ...cutFromSource(
      async ({ plan }) => [...plan.apiService.slice(0, 1), ...plan.node(1)],
      'first',
      'prerouting priority -300',
    ),
    expect: {
      exitCode: 1,
      troubles: ['api-cluster-ip', 'api-endpoints', 'mtu-api'].map((check) => fails(`pod/${check}`, 'UNREACHABLE', V4)),
    },
  },
  {
    name: 'ip_forward=0 on the node',
    inject: async (cluster) => setForwarding(cluster, 0),
    undo: async (cluster) => setForwarding(cluster, 1),
    expect: { exitCode: 1, troubles: FORWARDING_DEAD },
  },
  {
    name: 'VXLAN port dropped at the other node',
    inject: async (cluster) =>
      addRules(nodes(cluster).second.namespace, 'inet', 'input priority -10', [`udp dport ${VXLAN_PORT} drop`]),
    undo: async (cluster) => deleteRules(nodes(cluster).second.namespace, 'inet'),
    expect: { exitCode: 1, troubles: BETWEEN_NODES_DEAD },
  },
  {
    name: '1400-byte black hole in the underlay',
    // only the overlay's packets: the kubelet's to the API server are not on the pods' path
    inject: async (cluster) =>
      addRules(cluster.underlay.router, 'bridge', 'prerouting priority -300', [
        `iifname "v-n1" udp dport ${VXLAN_PORT} meta length > 1400 drop`,
      ]),
    undo: async (cluster) => deleteRules(cluster.underlay.router, 'bridge'),
    expect: {
      exitCode: 1,
      troubles: [fails('pod/mtu-destination', 'PATH_MTU_BLACK_HOLE', { row: 'other-node' })],
    },
  },
  {
    name: 'one of two DNS replicas dead',
    ...deadPod(async (cluster) => addressesOf(await podsOf(cluster, 'kube-dns', nodes(cluster).second.name))),
    expect: {
      exitCode: 1,
      troubles: [
        fails('pod/dns-external', 'BACKEND_DEAD', V4),
        fails('pod/dns-kubernetes', 'BACKEND_DEAD', V4),
        fails('pod/dns-replicas', 'DNS_NO_ANSWER'),
        fails('pod/dns-service', 'BACKEND_DEAD', V4),
      ],
    },
  },
  {
    // dropped before conntrack confirms the connection: the repeated SYN may meet another backend, a second later
    name: 'one endpoint of the service cut off on the source pod’s node',
    ...cutFromSource(lastRemoteWeb, 'first', 'forward priority -10'),
    expect: {
      exitCode: 1,
      troubles: [
        fails('pod/endpoints-ping', 'UNREACHABLE'),
        fails('pod/endpoints-port', 'UNREACHABLE'),
        fails('pod/service-cluster-ip', 'BACKEND_DEAD'),
      ],
    },
  },
  {
    name: 'one endpoint of the service dead',
    ...deadPod(lastRemoteWeb),
    expect: {
      exitCode: 1,
      troubles: [
        fails('pod/endpoints-ping', 'UNREACHABLE'),
        fails('pod/endpoints-port', 'UNREACHABLE'),
        fails('pod/service-cluster-ip', 'BACKEND_DEAD'),
      ],
    },
  },
  {
    name: 'kube-proxy stopped and a service changed',
    async inject(cluster) {
      await nodes(cluster).first.proxy.stop()
      await setServicePort(cluster, CHANGED_PORT)
    },
    async undo(cluster) {
      await setServicePort(cluster, WEB_PORTS.service)
      const { first } = nodes(cluster)
      first.restartProxy()
      await until('kube-proxy to be healthy', 20, async () =>
        inNamespace(first.namespace, 'curl', '-gsf', 'http://127.0.0.1:10256/healthz'),
      )
    },
    expect: {
      exitCode: 1,
      troubles: [
        fails('host/kube-proxy', 'KUBE_PROXY_UNHEALTHY', { once: true }),
        fails('host/service-rules', 'SERVICE_RULES_MISSING', { once: true }),
        fails('pod/service-cluster-ip', 'NOTHING_LISTENING'),
      ],
    },
  },
  {
    name: 'the destination pod does not listen',
    env: { DST_POD: 'mute' },
    async inject(cluster) {
      await cluster.apply([mutePod(nodes(cluster).second.name)])
      await cluster.waitReady()
    },
    async undo(cluster) {
      const path = pathOf(mutePod(''))
      await cluster.api(path, { method: 'DELETE' })
      await until('pod mute to be gone', 20, () =>
        cluster.api(path).then(
          () => false,
          () => true,
        ),
      )
    },
    expect: { exitCode: 1, troubles: [fails('pod/destination-tcp', 'NOTHING_LISTENING', { row: 'named' })] },
  },
  {
    name: 'the external address unreachable',
    inject: async (cluster) =>
      addRules(
        cluster.underlay.router,
        'inet',
        'forward priority -10',
        // the resolver that the cluster's DNS forwards to is there, too
        drop(nodes(cluster).first.addresses, cluster.plan.outside).map((rule) =>
          rule.replace(/drop$/, 'meta l4proto != udp drop'),
        ),
      ),
    undo: async (cluster) => deleteRules(cluster.underlay.router, 'inet'),
    expect: {
      exitCode: 1,
      troubles: [fails('pod/external-ping', 'UNREACHABLE'), fails('pod/mtu-external', 'UNREACHABLE')],
    },
  },
  {
    name: 'an API server endpoint that refuses',
    async inject(cluster) {
      const slice = strangeSlice(cluster)
      await cluster.apply([slice])
      const address = slice.endpoints[0]?.addresses[0] ?? ''
      await until('kube-proxy to use the endpoint', 20, async () => proxyKnows(cluster, address))
    },
    async undo(cluster) {
      const slice = strangeSlice(cluster)
      await cluster.api(pathOf(slice), { method: 'DELETE' })
      const address = slice.endpoints[0]?.addresses[0] ?? ''
      await until('kube-proxy to forget the endpoint', 20, async () => !proxyKnows(cluster, address))
    },
    expect: {
      exitCode: 1,
      troubles: ['host', 'pod'].flatMap((place) => [
        fails(`${place}/api-cluster-ip`, 'BACKEND_DEAD', V4),
        fails(`${place}/api-endpoints`, 'NOTHING_LISTENING', V4),
      ]),
    },
  },
]
