/** A node as flannel makes it, and the pieces to vary it: state as the kernel shows it, on addresses of documentation. */
import type { ClusterView } from '../../../lib/probe/state/other-nodes.ts'
import type { LinkState, NamespaceState, RouteState } from '../../../lib/state.ts'
import type { ClusterNode } from '../../../lib/types.ts'

export const link = (name: string, kind: string | null, changes: Partial<LinkState> = {}): LinkState => ({
  name,
  index: 1,
  mtu: 1500,
  kind,
  peerIndex: null,
  peerName: null,
  master: null,
  operstate: 'UP',
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  mac: '02:00:00:00:00:01',
  port: null,
  bridge: kind === 'bridge' ? { callsIptables: false, callsIp6tables: false } : null,
  vxlan: null,
  counters: null,
  ...changes,
})

export const vxlan = (name: string, local: string, changes: Partial<LinkState> = {}): LinkState =>
  link(name, 'vxlan', {
    operstate: 'UNKNOWN',
    vxlan: { id: 1, port: 8472, local, device: 'eth0', learning: false },
    ...changes,
  })

export const route = (destination: string, device: string | null, changes: Partial<RouteState> = {}): RouteState => ({
  family: `${destination} ${changes.gateway ?? ''}`.includes(':') ? 6 : 4,
  table: 'main',
  destination,
  gateway: null,
  device,
  metric: 0,
  source: null,
  scope: null,
  type: 'unicast',
  flags: [],
  ...changes,
})

const over = (family: 4 | 6, n: number) => (family === 4 ? `198.18.${n}.0` : `2001:db8:18:${n}::`)
const length = { 4: 24, 6: 64 }

/** Nodes n1 to n3, this one being n1. */
export const node = (n: number, changes: Partial<ClusterNode> = {}): ClusterNode => ({
  name: `n${n}`,
  ready: true,
  runsPods: true,
  addresses: [`198.51.100.${n}`, `2001:db8:51::${n}`],
  podCIDRs: [`198.18.${n}.0/24`, `2001:db8:18:${n}::/64`],
  ...changes,
})

export const view = (nodes: readonly ClusterNode[] = [node(1), node(2), node(3)]): ClusterView => ({
  self: { name: 'n1', podCIDRs: node(1).podCIDRs, addresses: node(1).addresses },
  nodes,
})

export const PODS = { ranges: node(1).podCIDRs, addresses: ['198.18.1.5', '2001:db8:18:1::5'] }

export function flannel(changes: Partial<NamespaceState> = {}): NamespaceState {
  const families = [4, 6] as const
  return {
    links: [
      link('lo', null, { flags: ['LOOPBACK', 'UP', 'LOWER_UP'], operstate: 'UNKNOWN' }),
      link('eth0', null),
      link('cni0', 'bridge'),
      vxlan('flannel.1', '198.51.100.1'),
      link('veth0', 'veth', { master: 'cni0' }),
    ],
    addresses: [],
    routes: [
      route('default', 'eth0', { gateway: '198.51.100.254' }),
      route('default', 'eth0', { gateway: '2001:db8:51::fe', family: 6 }),
      route('198.51.100.0/24', 'eth0'),
      route('2001:db8:51::/64', 'eth0'),
      ...families.map((family) => route(`${over(family, 1)}/${length[family]}`, 'cni0')),
      ...[2, 3].flatMap((n) =>
        families.map((family) =>
          route(`${over(family, n)}/${length[family]}`, 'flannel.1', { gateway: over(family, n), flags: ['onlink'] }),
        ),
      ),
    ],
    rules: [],
    neighbours: [2, 3].flatMap((n) =>
      families.map((family) => ({
        address: over(family, n),
        device: 'flannel.1',
        state: 'PERMANENT',
        mac: `02:00:00:00:00:0${n}`,
      })),
    ),
    fdb: [2, 3].map((n) => ({
      mac: `02:00:00:00:00:0${n}`,
      device: 'flannel.1',
      destination: `198.51.100.${n}`,
      permanent: true,
    })),
    sysctls: {
      'ipv4/ip_forward': '1',
      'ipv6/conf/all/forwarding': '1',
      'bridge/bridge-nf-call-iptables': '1',
      'bridge/bridge-nf-call-ip6tables': '1',
      'netfilter/nf_conntrack_count': '100',
      'netfilter/nf_conntrack_max': '1000',
      ...Object.fromEntries(
        ['lo', 'eth0', 'cni0', 'flannel.1'].map((device) => [`ipv4/conf/${device}/forwarding`, '1']),
      ),
    },
    ...changes,
  }
}

/** Calico with VXLAN: blocks of its own, a veth and a route for each pod, a blackhole for the own block. */
export const calico = (): NamespaceState =>
  flannel({
    links: [
      link('lo', null, { flags: ['LOOPBACK', 'UP', 'LOWER_UP'] }),
      link('eth0', null),
      link('cali12345', 'veth'),
      vxlan('vxlan.calico', '198.51.100.1'),
    ],
    routes: [
      route('default', 'eth0', { gateway: '198.51.100.254' }),
      route('198.51.100.0/24', 'eth0'),
      route('198.18.77.0/26', null, { type: 'blackhole' }),
      route('198.18.77.5', 'cali12345', { scope: 'link' }),
      route('198.18.90.64/26', 'vxlan.calico', { gateway: '198.18.90.64', flags: ['onlink'] }),
    ],
    neighbours: [{ address: '198.18.90.64', device: 'vxlan.calico', state: 'PERMANENT', mac: '02:00:00:00:00:02' }],
    fdb: [{ mac: '02:00:00:00:00:02', device: 'vxlan.calico', destination: '198.51.100.2', permanent: true }],
  })

/** Native routing of a cloud: a veth and a route for each pod, nothing for other nodes. */
export const aws = (): NamespaceState =>
  flannel({
    links: [link('lo', null, { flags: ['LOOPBACK', 'UP'] }), link('eth0', null), link('eni1', 'veth')],
    routes: [
      route('default', 'eth0', { gateway: '198.51.100.254' }),
      route('198.51.100.0/24', 'eth0'),
      route('198.51.100.77', 'eni1', { scope: 'link' }),
    ],
    neighbours: [],
    fdb: [],
    sysctls: { 'ipv4/ip_forward': '1', 'ipv4/conf/eni1/forwarding': '1', 'ipv4/conf/eth0/forwarding': '1' },
  })

/** What happened, in a few words: the verdict, and its code. */
export const told = (verdict: { readonly is: string; readonly code?: string }): string =>
  [verdict.is, verdict.code].filter(Boolean).join(' ')
