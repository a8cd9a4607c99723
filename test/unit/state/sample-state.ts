/** A pod on a bridge and its node, as state, with both families; pieces to vary. */
import type {
  AddressState,
  LinkState,
  NamespaceState,
  NeighbourState,
  RouteState,
  RuleState,
} from '../../../lib/state.ts'

export const V4 = '198.18.1.4'
export const V6 = '2001:db8:18:1::4'
export const DECLARED = [V4, V6]
export const GATEWAY = '198.18.1.1'
export const PEER_MAC = '02:00:00:00:00:06'

export const link = (name: string, changes: Partial<LinkState> = {}): LinkState => ({
  ...{ name, index: 2, mtu: 1450, kind: 'veth', peerIndex: 6, peerName: null, master: null, operstate: 'UP' },
  ...{ flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'], mac: '02:00:00:00:00:02' },
  ...{ port: null, vxlan: null, counters: null },
  ...changes,
})

export const address = (text: string, changes: Partial<AddressState> = {}): AddressState => ({
  address: text,
  family: text.includes(':') ? 6 : 4,
  device: 'eth0',
  prefixLength: text.includes(':') ? 64 : 24,
  scope: 'global',
  dadFailed: false,
  tentative: false,
  dynamic: false,
  ...changes,
})

export const route = (destination: string, changes: Partial<RouteState> = {}): RouteState => ({
  ...{ family: 4, table: 'main', destination, gateway: null, device: 'eth0', metric: 0, source: null, scope: null },
  ...{ type: 'unicast', flags: [] },
  ...changes,
})

export const rule = (priority: number, changes: Partial<RuleState> = {}): RuleState => ({
  ...{ family: 4, priority, selector: {}, table: 'main', action: null },
  ...changes,
})

export const neighbour = (of: string, mac: string, changes: Partial<NeighbourState> = {}): NeighbourState => ({
  ...{ address: of, device: 'eth0', state: 'PERMANENT', mac },
  ...changes,
})

const LO = link('lo', { index: 1, kind: null, peerIndex: null, flags: ['LOOPBACK', 'UP', 'LOWER_UP'], mac: null })
const EMPTY = { links: [LO], addresses: [], routes: [], rules: [], neighbours: [], fdb: [], sysctls: {} }

const RULES: readonly RuleState[] = [
  ...[rule(0, { table: 'local' }), rule(32766), rule(32767, { table: 'default' })],
  ...[rule(0, { family: 6, table: 'local' }), rule(32766, { family: 6 })],
]

export const pod = (changes: Partial<NamespaceState> = {}): NamespaceState => ({
  ...EMPTY,
  links: [LO, link('eth0')],
  addresses: [address(V4), address(V6)],
  routes: [
    ...[route('default', { gateway: GATEWAY }), route('198.18.1.0/24')],
    ...[route('default', { family: 6, gateway: '2001:db8:18:1::1' }), route('2001:db8:18:1::/64', { family: 6 })],
  ],
  rules: RULES,
  ...changes,
})

const port = { state: 'forwarding', hairpin: true, isolated: false, learning: true }

export const peer = (changes: Partial<LinkState> = {}): LinkState =>
  link('veth6', { index: 6, peerIndex: 2, master: 'cni0', port, mac: PEER_MAC, ...changes })

export const bridge = (changes: Partial<LinkState> = {}): LinkState =>
  link('cni0', { index: 4, kind: 'bridge', peerIndex: null, mac: '02:00:00:00:00:04', ...changes })

export const otherPort = (changes: Partial<LinkState> = {}): LinkState =>
  link('veth7', { index: 7, peerIndex: 2, master: 'cni0', port, mac: '02:00:00:00:00:07', ...changes })

export const node = (
  links: readonly LinkState[] = [bridge(), peer()],
  changes: Partial<NamespaceState> = {},
): NamespaceState => ({
  ...EMPTY,
  links: [LO, ...links],
  addresses: [
    ...[address(GATEWAY, { device: 'cni0' }), address('2001:db8:18:1::1', { device: 'cni0' })],
    address('198.51.100.1', { device: 'eth0' }),
  ],
  rules: RULES,
  ...changes,
})

export const isolated = { ...port, isolated: true }
export const blocking = { ...port, state: 'blocking' }
