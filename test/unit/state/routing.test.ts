import { describe, expect, test } from 'vitest'
import { judgeForwarding } from '../../../lib/probe/state/forwarding.ts'
import { judgePodRoutes } from '../../../lib/probe/state/pod-routes.ts'
import { sysctlName } from '../../../lib/probe/state/pods-here.ts'
import {
  answersFiltered,
  COUNTER,
  filterOf,
  isStill,
  refusedArrivals,
  strictArrivals,
  strictEntrances,
} from '../../../lib/probe/state/reverse-path.ts'
import { judgeTunnelEntries } from '../../../lib/probe/state/tunnel-entries.ts'
import type { NamespaceState } from '../../../lib/state.ts'
import { aws, calico, flannel, link, node, PODS, route, told, view } from './sample.ts'

const withSysctls = (changes: Record<string, string>, base = flannel()): NamespaceState => ({
  ...base,
  sysctls: { ...base.sysctls, ...changes },
})
const OTHERS = ['198.18.2.0/24', '198.18.3.0/24', '2001:db8:18:2::/64']

describe('forwarding', () => {
  const judge = (state: NamespaceState, family: 4 | 6 = 4, pods = PODS) => judgeForwarding(state, pods, OTHERS, family)

  test.each([4, 6] as const)('is on where every device of pods forwards, over IPv%i', (family) => {
    expect(told(judge(flannel(), family))).toBe('fine')
  })

  test('the exact setting is named: all of IPv4, one device, all of IPv6', () => {
    const off = Object.fromEntries(['cni0', 'eth0', 'flannel.1'].map((name) => [`ipv4/conf/${name}/forwarding`, '0']))
    expect(judge(withSysctls({ ...off, 'ipv4/ip_forward': '0' }))).toMatchObject({
      is: 'broken',
      code: 'FORWARDING_OFF',
      detail: expect.stringMatching(/net\.ipv4\.ip_forward is 0$/),
      hint: expect.stringContaining('`sysctl -w net.ipv4.ip_forward=1`'),
    })
    expect(judge(withSysctls({ 'ipv4/conf/flannel.1/forwarding': '0' }))).toMatchObject({
      detail: expect.stringMatching(/net\.ipv4\.conf\.flannel\/1\.forwarding is 0$/),
    })
    expect(judge(withSysctls({ 'ipv6/conf/all/forwarding': '0' }), 6)).toMatchObject({
      detail: expect.stringMatching(/net\.ipv6\.conf\.all\.forwarding is 0$/),
    })
  })

  test('only the devices count: ip_forward is 0 where a CNI switches on its own ones (OVN-Kubernetes)', () => {
    expect(told(judge(withSysctls({ 'ipv4/ip_forward': '0' })))).toBe('fine')
  })

  test('IPv6 does not ask the device, unless it forces forwarding', () => {
    expect(told(judge(withSysctls({ 'ipv6/conf/cni0/forwarding': '0' }), 6))).toBe('fine')
    const forced = ['cni0', 'eth0', 'flannel.1'].map((name) => [`ipv6/conf/${name}/force_forwarding`, '1'])
    const state = withSysctls({ 'ipv6/conf/all/forwarding': '0', ...Object.fromEntries(forced) })
    expect(told(judge(state, 6))).toBe('fine')
  })

  test.each([
    ['a veth for each pod, addresses from anywhere', aws(), { ranges: [], addresses: [] }, 'fine'],
    ['Calico', withSysctls({ 'ipv4/conf/cali12345/forwarding': '0' }, calico()), PODS, 'broken FORWARDING_OFF'],
    ["Docker's bridge is none of the pods'", flannel(), { ranges: ['192.0.2.0/24'], addresses: [] }, 'not-applicable'],
  ])('%s', (_, state, pods, verdict) => {
    expect(told(judge(state, 4, pods))).toBe(verdict)
  })

  test('a node without pods of the family', () => {
    expect(told(judge(aws(), 6))).toBe('not-applicable')
  })
})

test("a dot in a device's name is written as sysctl(8) wants it", () => {
  expect(sysctlName('ipv4/conf/eth0.100/rp_filter')).toBe('net.ipv4.conf.eth0/100.rp_filter')
})

/** The sample with the route to the second node's IPv4 range replaced. */
function rerouted(...routes: ReturnType<typeof route>[]): NamespaceState {
  const state = flannel()
  return { ...state, routes: [...state.routes.filter(({ destination }) => destination !== '198.18.2.0/24'), ...routes] }
}

describe('routes to the pods of other nodes', () => {
  const judge = (state: NamespaceState, seen = view(), family: 4 | 6 = 4) => judgePodRoutes(state, seen, family)

  test.each([4, 6] as const)('are there, over IPv%i', (family) => {
    expect(told(judge(flannel(), view(), family))).toBe('fine')
  })

  test.each([
    ['deleted', rerouted(), 'broken POD_ROUTE_MISSING'],
    ['a blackhole', rerouted(route('198.18.2.0/24', null, { type: 'blackhole' })), 'broken POD_ROUTE_WRONG'],
    ['unreachable', rerouted(route('198.18.2.0/24', null, { type: 'unreachable' })), 'broken POD_ROUTE_WRONG'],
    ["the own pods' bridge", rerouted(route('198.18.2.0/24', 'cni0')), 'broken POD_ROUTE_WRONG'],
    ['the uplink without a gateway', rerouted(route('198.18.2.0/24', 'eth0')), 'broken POD_ROUTE_WRONG'],
    ['loopback', rerouted(route('198.18.2.0/24', 'lo')), 'broken POD_ROUTE_WRONG'],
    [
      'the node itself, beside the tunnel',
      rerouted(route('198.18.2.0/24', 'eth0', { gateway: '198.51.100.2' })),
      'fine',
    ],
    ['a router that may know the way', rerouted(route('198.18.2.0/24', 'eth0', { gateway: '198.51.100.254' })), 'fine'],
    ['a wider one', rerouted(route('198.18.0.0/16', 'flannel.1', { gateway: '198.18.9.0' })), 'fine'],
    [
      'a worse blackhole behind a good one (kube-router)',
      rerouted(
        route('198.18.2.0/24', 'flannel.1', { gateway: '198.18.2.0' }),
        route('198.18.2.0/24', null, { type: 'blackhole', metric: 100 }),
      ),
      'fine',
    ],
    [
      'wrong in one table and right in another, which rules may choose',
      rerouted(
        route('198.18.2.0/24', null, { type: 'blackhole', table: '77' }),
        route('198.18.2.0/24', 'flannel.1', { gateway: '198.18.2.0' }),
      ),
      'fine',
    ],
  ])('%s', (_, state, verdict) => {
    expect(told(judge(state))).toBe(verdict)
  })

  test('to a tunnel that is down', () => {
    const state = flannel()
    const links = state.links.map((one) => (one.name === 'flannel.1' ? { ...one, flags: ['BROADCAST'] } : one))
    expect(judge({ ...state, links })).toMatchObject({
      code: 'POD_ROUTE_WRONG',
      detail: expect.stringContaining('down'),
    })
  })

  test('the only other one deleted: the overlay is there, so it is missed', () => {
    expect(told(judge(rerouted(), view([node(1), node(2)])))).toBe('broken POD_ROUTE_MISSING')
  })

  test('of nodes that are not Ready, or have no pods, nobody expects one', () => {
    expect(told(judge(rerouted(), view([node(1), node(2, { ready: false }), node(3)])))).toBe('fine')
    expect(told(judge(rerouted(), view([node(1), node(2, { runsPods: false }), node(3)])))).toBe('fine')
  })

  test('without a tunnel, nodes behind routers need none; those on the same link do', () => {
    const direct = [3].map((n) => route(`198.18.${n}.0/24`, 'eth0', { gateway: `198.51.100.${n}` }))
    const state = { ...rerouted(), fdb: [], neighbours: [] }
    const routes = [...state.routes.filter(({ device }) => device !== 'flannel.1'), ...direct]
    const hostGateway = { ...state, routes, links: state.links.filter(({ kind }) => kind !== 'vxlan') }
    expect(told(judge(hostGateway))).toBe('broken POD_ROUTE_MISSING')
    const elsewhere = view([node(1), node(2, { addresses: ['192.0.2.2'] }), node(3)])
    expect(told(judge(hostGateway, elsewhere))).toBe('fine')
  })

  test.each([
    ['Calico with its own blocks', calico()],
    ['native routing', aws()],
  ])('%s makes none: not applicable', (_, state) => {
    expect(told(judge(state))).toBe('not-applicable')
  })

  test('a single node', () => {
    expect(told(judge(flannel(), view([node(1)])))).toBe('not-applicable')
  })
})

describe('entries of the tunnel', () => {
  const judge = (changes: Partial<NamespaceState>, seen = view(), family: 4 | 6 = 4) =>
    judgeTunnelEntries(flannel(changes), seen, family)
  const { fdb, neighbours } = flannel()
  const second = (changes: Partial<(typeof fdb)[number]>) =>
    fdb.map((one, i) => (i === 0 ? { ...one, ...changes } : one))
  const gateway = (changes: Partial<(typeof neighbours)[number]>) =>
    neighbours.map((one) => (one.address === '198.18.2.0' ? { ...one, ...changes } : one))

  test.each([4, 6] as const)('are there, over IPv%i', (family) => {
    expect(told(judge({}, view(), family))).toBe('fine')
  })

  test.each([
    ['no forwarding entry', { fdb: fdb.slice(1) }, 'broken TUNNEL_ENTRY_MISSING'],
    ['no neighbour entry', { neighbours: neighbours.slice(1) }, 'broken TUNNEL_ENTRY_MISSING'],
    ['an unresolved neighbour', { neighbours: gateway({ state: 'FAILED' }) }, 'broken TUNNEL_ENTRY_MISSING'],
    ["another node's address", { fdb: second({ destination: '198.51.100.3' }) }, 'broken TUNNEL_ENTRY_WRONG'],
    ["nobody's address", { fdb: second({ destination: '192.0.2.77' }) }, 'broken TUNNEL_ENTRY_WRONG'],
    ['another hardware address', { neighbours: gateway({ mac: '02:00:00:00:00:77' }) }, 'broken TUNNEL_ENTRY_WRONG'],
    [
      'what no other entry matches is flooded',
      { fdb: [...fdb.slice(1), { ...second({})[0], mac: '00:00:00:00:00:00' } as (typeof fdb)[number]] },
      'fine',
    ],
  ])('%s', (_, changes, verdict) => {
    expect(told(judge(changes))).toBe(verdict)
  })

  test('tunnels over addresses that the API does not know are nobody’s fault', () => {
    const links = flannel().links.map((one) =>
      one.vxlan ? { ...one, vxlan: { ...one.vxlan, local: '192.0.2.1' } } : one,
    )
    const elsewhere = fdb.map((one, i) => ({ ...one, destination: `192.0.2.${i + 2}` }))
    expect(told(judge({ links, fdb: elsewhere }))).toBe('fine')
  })

  test.each([
    ['Calico', calico()],
    ['native routing', aws()],
  ])('%s: not applicable', (_, state) => {
    expect(told(judgeTunnelEntries(state, view(), 4))).toBe('not-applicable')
  })
})

describe('reverse path filtering', () => {
  test('the larger of all and the device counts, and 2 is loose', () => {
    const state = withSysctls({
      'ipv4/conf/all/rp_filter': '1',
      'ipv4/conf/eth0/rp_filter': '2',
      'ipv4/conf/cni0/rp_filter': '0',
    })
    expect(['eth0', 'cni0'].map((device) => filterOf(state, device))).toEqual([2, 1])
    expect(strictEntrances(state)).toEqual(['cni0', 'flannel.1'])
  })

  test('pods come in by the bridge whose subnet they are in, or by the veth where they were met', () => {
    const strict = { 'ipv4/conf/all/rp_filter': '1' }
    expect(strictArrivals(withSysctls(strict), PODS.addresses)).toEqual([{ address: '198.18.1.5', device: 'cni0' }])
    const met = { address: '198.18.77.5', device: 'cali12345', state: 'STALE', mac: '02:00:00:00:00:09' }
    const state = withSysctls(strict, { ...calico(), neighbours: [met] })
    expect(strictArrivals(state, ['198.18.77.5'])).toEqual([{ address: '198.18.77.5', device: 'cali12345' }])
    expect(strictArrivals(flannel(), PODS.addresses)).toEqual([])
  })

  test('a route to the pod alone that leads elsewhere is named with the command that deletes it', () => {
    const refused = [{ address: '198.18.1.5', device: 'cni0', wayBack: 'eth0' }]
    const routes = [route('198.18.1.5', 'eth0', { gateway: '198.51.100.254' })]
    expect(refusedArrivals(flannel({ routes }), refused).hint).toContain(
      '`ip route del 198.18.1.5 via 198.51.100.254 dev eth0`',
    )
    expect(refusedArrivals(flannel(), refused).hint).toContain('`ip route get 198.18.1.5`')
  })

  test('a bridge port is not where packets enter the stack', () => {
    const met = { address: '192.0.2.5', device: 'veth0', state: 'STALE', mac: '02:00:00:00:00:09' }
    const state = withSysctls({ 'ipv4/conf/all/rp_filter': '1' }, flannel({ neighbours: [met] }))
    expect(strictArrivals({ ...state, links: [...state.links, link('eth1', null)] }, ['192.0.2.5'])).toEqual([])
  })

  test.each([
    [[7, 0, 11], true],
    [[8, 0, 12], true],
    [[7, 1, 11], false],
    [[6, 0, 11], false],
    [[0, 0, 0], false],
  ] as const)('echoes moved the counter by %j: %s', ([busy, empty, busier], proven) => {
    const windows = [{ [COUNTER]: busy }, { [COUNTER]: empty }, { [COUNTER]: busier }] as const
    expect(answersFiltered(windows)).toBe(proven)
    expect(isStill(windows)).toBe(busy === 0)
  })
})
