/**
 * Faults of the node's own state as data, made for a dual-stack cluster with a bridge for the pods, VXLAN between the nodes and
 * kube-proxy in nftables mode; the source pod is bbox on the first node.
 */
import type { Family } from '../../lib/types.ts'
import { hostLength } from '../bed/addresses.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { inNamespace, run } from '../bed/namespace.ts'
import { ipBatch } from '../bed/underlay.ts'
import { BETWEEN_NODES_DEAD, type Expected, type Fault, FORWARDING_DEAD, fails, OTHER_NODE_DEAD } from './faults.ts'
import { addressesOf, type Injection, nodes, podsOf } from './injection.ts'
import { podNamespace } from './packets.ts'

const V4 = { families: [4] } as const
const ONCE = { once: true } as const

const first = (cluster: Cluster): string => nodes(cluster).first.namespace
const second = (cluster: Cluster): string => nodes(cluster).second.namespace

/** Those of a list that have a family, over this one alone. */
const over = (family: Family, list: readonly Expected[]): Expected[] =>
  list.flatMap((one) =>
    one.once || !(one.families ?? [4, 6]).includes(family) ? [] : [{ ...one, families: [family] }],
  )

/** Settings of the first node, taken back to what they were. */
function sysctls(values: Readonly<Record<string, string>>): Injection {
  const before = new Map<string, string>()
  const write = (cluster: Cluster, pairs: Iterable<readonly [string, string]>) =>
    inNamespace(first(cluster), 'sysctl', '-qw', ...[...pairs].map(([name, value]) => `${name}=${value}`))
  return {
    async inject(cluster) {
      for (const name of Object.keys(values)) before.set(name, inNamespace(first(cluster), 'sysctl', '-n', name).trim())
      write(cluster, Object.entries(values))
    },
    async undo(cluster) {
      write(cluster, before)
    },
  }
}

/** `ip -batch` on a node, and its opposite. */
const commands = (
  node: (cluster: Cluster) => string,
  make: (cluster: Cluster) => readonly string[],
  unmake: (cluster: Cluster) => readonly string[],
): Injection => ({
  inject: async (cluster) => void ipBatch(node(cluster), make(cluster)),
  undo: async (cluster) => void ipBatch(node(cluster), unmake(cluster)),
})

/** Two injections at once; taken back in reverse order. */
const together = (one: Injection, other: Injection): Injection => ({
  async inject(cluster) {
    await one.inject(cluster)
    await other.inject(cluster)
  },
  async undo(cluster) {
    await other.undo(cluster)
    await one.undo(cluster)
  },
})

/** Pod range of a node and the tunnel's inner address there, one a family. */
const ranges = ({ plan }: Cluster, node: number) =>
  plan.podSubnet(node).map((range, i) => ({ range, gateway: plan.podSubnetBase(node)[i] ?? '' }))

const overTunnel = (cluster: Cluster, node: number) =>
  ranges(cluster, node).map(({ range, gateway }) => `route replace ${range} via ${gateway} dev vx0 onlink`)

const withoutRoutes = (cluster: Cluster) => ranges(cluster, 2).map(({ range }) => `route del ${range}`)

/** The routes to the second node's pods, replaced by others. */
const routes = (make: (range: string, family: number) => readonly string[]): Injection =>
  commands(
    first,
    (cluster) => [...withoutRoutes(cluster), ...ranges(cluster, 2).flatMap(({ range }, family) => make(range, family))],
    (cluster) => [
      ...ranges(cluster, 2).flatMap(({ range }, family) =>
        make(range, family).map((line) => line.replace('add', 'del')),
      ),
      ...overTunnel(cluster, 2),
    ],
  )

const MAC = '02:00:00:00:00:02'

/** The forwarding entry of the second node. */
const forwardingEntry = (...change: readonly string[]): Injection => ({
  inject: async (cluster) =>
    void inNamespace(
      first(cluster),
      'bridge',
      'fdb',
      ...change.map((word) => word.replace('ROUTER', cluster.plan.nodeRouter[0] ?? '')),
    ),
  undo: async (cluster) =>
    void inNamespace(
      first(cluster),
      'bridge',
      'fdb',
      'replace',
      MAC,
      'dev',
      'vx0',
      'dst',
      cluster.plan.node(2)[0] ?? '',
    ),
})

/** The neighbour entries of the second node's end of the tunnel. */
const neighbours = (make: (gateway: string) => string): Injection =>
  commands(
    first,
    (cluster) => ranges(cluster, 2).map(({ gateway }) => make(gateway)),
    (cluster) =>
      ranges(cluster, 2).map(({ gateway }) => `neigh replace ${gateway} lladdr ${MAC} dev vx0 nud permanent`),
  )

/** Stops the process that listens on a port of the first node from running, without ending it. */
const frozen = (port: number): Injection => ({
  inject: async (cluster) => signal(cluster, port, 'SIGSTOP'),
  undo: async (cluster) => signal(cluster, port, 'SIGCONT'),
})

function signal(cluster: Cluster, port: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  const pid = /pid=(\d+)/.exec(inNamespace(first(cluster), 'ss', '-ltnpH', `sport = :${port}`))?.[1]
  if (pid === undefined) throw new Error(`nobody listens on port ${port}`)
  process.kill(Number(pid), name)
}

/** Chains made on the first node, and taken away. */
const chains = (...made: readonly (readonly [program: string, table: string, chain: string])[]): Injection => ({
  async inject(cluster) {
    for (const [program, table, chain] of made) inNamespace(first(cluster), program, '-t', table, '-N', chain)
  },
  async undo(cluster) {
    for (const [program, table, chain] of made) inNamespace(first(cluster), program, '-t', table, '-X', chain)
  },
})

/** The node sends what is for the source pod to its router. */
const wayBackElsewhere: Injection = {
  async inject(cluster) {
    const { address, namespace } = await source(cluster)
    ipBatch(first(cluster), [`route add ${address}/${hostLength(address)} via ${cluster.plan.nodeRouter[0]} dev eth0`])
    // what the kernel heard from the gateway a moment ago would leave its death unproven for half a minute
    run('nsenter', [`--net=${namespace}`, 'ip', 'neigh', 'flush', 'dev', 'eth0'])
  },
  async undo(cluster) {
    const { address } = await source(cluster)
    ipBatch(first(cluster), [`route del ${address}/${hostLength(address)}`])
  },
}

async function source(cluster: Cluster) {
  const pods = await podsOf(cluster, 'bbox', nodes(cluster).first.name)
  return { address: addressesOf(pods)[0] ?? '', namespace: podNamespace(nodes(cluster).first, pods[0]?.uid ?? '') }
}

/** The larger of both values counts: what an interface was set to before must not loosen it. */
const STRICT = sysctls({
  'net.ipv4.conf.all.rp_filter': '1',
  ...Object.fromEntries(['cni0', 'vx0', 'eth0'].map((device) => [`net.ipv4.conf.${device}.rp_filter`, '0'])),
})

export interface NodeFault extends Fault {
  /** Codes that stand for another one in some runs. */
  readonly alias?: Readonly<Record<string, string>>
}

/** The node gives up on a neighbour after 3 s and tells its pods so, which have asked as long: whoever comes first says it. */
const UNRESOLVED = { REJECTED: 'UNREACHABLE' }

const broken = (
  name: string,
  injection: Injection,
  troubles: readonly Expected[],
  alias: NodeFault['alias'] = {},
): NodeFault => ({
  name,
  alias,
  ...injection,
  expect: { exitCode: 1, troubles },
})
const harmless = (name: string, injection: Injection, troubles: readonly Expected[] = []): NodeFault => ({
  name,
  ...injection,
  expect: { exitCode: 0, troubles },
})

/** Connections by ClusterIP to the pods of this node alone fail. */
const hairpinDead = (family: Family): Expected[] => [
  fails('host/bridge-netfilter', 'BRIDGE_NF_OFF', { families: [family] }),
  ...over(family, [
    fails('pod/dns-external', 'BACKEND_DEAD', V4),
    fails('pod/dns-kubernetes', 'BACKEND_DEAD', V4),
    fails('pod/dns-service', 'BACKEND_DEAD', V4),
    fails('pod/service-cluster-ip', 'BACKEND_DEAD'),
  ]),
]

export const NODE_FAULTS: readonly NodeFault[] = [
  broken('IPv6 forwarding off', sysctls({ 'net.ipv6.conf.all.forwarding': '0' }), over(6, FORWARDING_DEAD)),
  broken(
    'IPv4 forwarding off on the bridge alone',
    sysctls({ 'net.ipv4.conf.cni0.forwarding': '0' }),
    over(4, FORWARDING_DEAD),
  ),
  harmless(
    'IPv6 forwarding off on the bridge alone, which the kernel does not ask',
    sysctls({ 'net.ipv6.conf.cni0.forwarding': '0' }),
  ),
  broken('IPv4 forwarding off on the uplink alone', sysctls({ 'net.ipv4.conf.eth0.forwarding': '0' }), [
    fails('host/forwarding', 'FORWARDING_OFF', V4),
    // the replica on this node asks the resolver outside
    fails('pod/dns-external', 'DNS_UPSTREAM_BROKEN', V4),
    fails('pod/external-ping', 'UNREACHABLE', V4),
    fails('pod/mtu-external', 'UNREACHABLE', V4),
  ]),
  harmless('strict reverse path filter where all ways are symmetric', STRICT),
  harmless(
    'the other node answers beside the tunnel, and nobody filters',
    commands(
      second,
      ({ plan }) => [`route replace ${plan.podSubnet(1)[0]} via ${plan.node(1)[0]} dev eth0`],
      (cluster) => overTunnel(cluster, 1).slice(0, 1),
    ),
  ),
  broken(
    'strict reverse path filter, and the other node answers beside the tunnel',
    together(
      STRICT,
      commands(
        second,
        ({ plan }) => [`route replace ${plan.podSubnet(1)[0]} via ${plan.node(1)[0]} dev eth0`],
        (cluster) => overTunnel(cluster, 1).slice(0, 1),
      ),
    ),
    [fails('host/reverse-path', 'RP_FILTER', ONCE), ...over(4, BETWEEN_NODES_DEAD)],
  ),
  broken(
    'strict reverse path filter, and the way to the source pod leads elsewhere',
    together(STRICT, wayBackElsewhere),
    [
      fails('host/reverse-path', 'RP_FILTER', ONCE),
      fails('pod/gateway', 'GATEWAY_UNRESOLVED', V4),
      ...['pod/api-cluster-ip', 'pod/api-endpoints', 'pod/mtu-api'].map((check) => fails(check, 'UNREACHABLE', V4)),
      ...over(4, OTHER_NODE_DEAD),
      ...['dns-external', 'dns-kubernetes', 'dns-replicas', 'dns-search', 'dns-service'].map((check) =>
        fails(`pod/${check}`, 'DNS_NO_ANSWER', V4),
      ),
      ...['pod/external-ping', 'pod/mtu-external', 'pod/service-cluster-ip'].map((check) =>
        fails(check, 'UNREACHABLE', V4),
      ),
    ],
  ),
  broken(
    'bridged IPv4 packets do not meet netfilter',
    sysctls({ 'net.bridge.bridge-nf-call-iptables': '0' }),
    hairpinDead(4),
  ),
  broken(
    'bridged IPv6 packets do not meet netfilter',
    sysctls({ 'net.bridge.bridge-nf-call-ip6tables': '0' }),
    hairpinDead(6),
  ),
  broken(
    'the routes to the other node’s pods deleted',
    commands(first, withoutRoutes, (cluster) => overTunnel(cluster, 2)),
    [fails('host/pod-routes', 'POD_ROUTE_MISSING'), ...BETWEEN_NODES_DEAD],
  ),
  broken(
    'the routes to the other node’s pods blackholed',
    routes((range) => [`route add blackhole ${range}`]),
    [fails('host/pod-routes', 'POD_ROUTE_WRONG'), ...BETWEEN_NODES_DEAD],
  ),
  broken(
    'the routes to the other node’s pods lead to the bridge (IPv4) and the uplink (IPv6)',
    routes((range, family) => [`route add ${range} dev ${family === 0 ? 'cni0' : 'eth0'}`]),
    [fails('host/pod-routes', 'POD_ROUTE_WRONG'), ...BETWEEN_NODES_DEAD],
    UNRESOLVED,
  ),
  broken('the tunnel’s forwarding entry deleted', forwardingEntry('del', MAC, 'dev', 'vx0'), [
    fails('host/tunnel-entries', 'TUNNEL_ENTRY_MISSING'),
    ...BETWEEN_NODES_DEAD,
  ]),
  broken(
    'the tunnel’s forwarding entry names the router',
    forwardingEntry('replace', MAC, 'dev', 'vx0', 'dst', 'ROUTER'),
    [fails('host/tunnel-entries', 'TUNNEL_ENTRY_WRONG'), ...BETWEEN_NODES_DEAD],
  ),
  broken(
    'the tunnel’s neighbour entries deleted',
    neighbours((gateway) => `neigh del ${gateway} dev vx0`),
    [fails('host/tunnel-entries', 'TUNNEL_ENTRY_MISSING'), ...BETWEEN_NODES_DEAD],
    UNRESOLVED,
  ),
  broken(
    'the tunnel’s neighbour entries hold a wrong hardware address',
    neighbours((gateway) => `neigh replace ${gateway} lladdr 02:00:00:00:00:77 dev vx0 nud permanent`),
    [fails('host/tunnel-entries', 'TUNNEL_ENTRY_WRONG'), ...BETWEEN_NODES_DEAD],
  ),
  broken('kube-proxy hangs', frozen(10256), [fails('host/kube-proxy', 'KUBE_PROXY_UNHEALTHY', ONCE)]),
  broken('the kubelet hangs', frozen(10248), [fails('host/kubelet', 'KUBELET_UNHEALTHY', ONCE)]),
  broken(
    'KUBE-SERVICES in the legacy back end beside kube-proxy’s nftables',
    chains(['iptables-legacy', 'nat', 'KUBE-SERVICES']),
    [fails('host/iptables-back-ends', 'IPTABLES_MIXED', ONCE)],
  ),
  harmless(
    'chains of one writer in both back ends',
    chains(['ip6tables-legacy', 'filter', 'KUBE-FIREWALL'], ['ip6tables-nft', 'filter', 'KUBE-FIREWALL']),
    [{ verdict: 'warn', check: 'host/iptables-back-ends', code: 'IPTABLES_MIXED', once: true }],
  ),
]
