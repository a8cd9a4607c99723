/** Which rules on a flow's way are asked: at interfaces, in a bridge, of tunnel packets. */
import { expect, test } from 'vitest'
import { parseNft } from '../../../lib/node/firewall/nft.ts'
import { filtersOf, type Way } from '../../../lib/replay/filters.ts'
import type { FirewallState, Station } from '../../../lib/state.ts'

const [POD, HERE, THERE] = ['198.18.1.5', '198.18.1.3', '198.18.2.4']
const [NODE, OTHER] = ['198.51.100.11', '198.51.100.12']

const station = (of: Partial<Station>): Station => ({
  ...{ side: 'node', device: 'cni0', outgoing: false, kind: 'probe', source: POD, destination: THERE },
  ...{ destinationPort: 0, outer: null, refusal: null, seen: [7, 0, 11] },
  ...of,
})

const way = (destination: string, out: string, stations: readonly Station[]): Way => ({
  target: { role: 'pod', name: 'default/web', family: 4, protocol: 'icmp', address: destination },
  ...{ source: POD, key: undefined, stations, entrance: 'cni0', port: 'veth1', fromNode: false },
  routes: { [destination]: { ok: true, said: '', device: out, gateway: null } },
})

const rules = (family: string, hook: string, dev: string | null, expr: object[]): FirewallState =>
  parseNft(
    JSON.stringify({
      nftables: [
        {
          chain: {
            family,
            table: 't',
            name: 'c',
            type: 'filter',
            hook,
            prio: 0,
            policy: 'accept',
            ...(dev && { dev }),
          },
        },
        { rule: { family, table: 't', chain: 'c', handle: 2, expr: [...expr, { drop: null }] } },
      ],
    }),
  ) as FirewallState

const is = (protocol: string, field: string, right: string | number) => ({
  match: { op: '==', left: { payload: { protocol, field } }, right },
})
const found = (of: Way, state: FirewallState) =>
  filtersOf(of, { node: state }, {}).map(({ of: whose, hook, certain }) => `${whose} ${hook} ${certain}`)

const overTunnel = way(THERE, 'vxlan0', [
  station({}),
  station({ device: 'eth0', outgoing: true, outer: { source: NODE, destination: OTHER, port: 8472 } }),
])

test.each(['netdev', 'inet'])('tunnel packets that a chain at the uplink drops (%s)', (family) => {
  const drop = [is('udp', 'dport', 8472)]
  expect(found(overTunnel, rules(family, 'ingress', 'eth0', drop))).toEqual(['tunnel in ingress true'])
  expect(found(overTunnel, rules(family, 'ingress', 'eth1', drop))).toEqual([])
  // the device is not known: it may be the uplink
  expect(found(overTunnel, rules(family, 'ingress', null, drop))).toEqual(['tunnel in ingress false'])
})

test('tunnel packets on their way out', () => {
  const drop = [is('udp', 'dport', 8472)]
  expect(found(overTunnel, rules('netdev', 'egress', 'eth0', drop))).toEqual(['tunnel out egress true'])
})

test('the pod’s packets where they come in, and their answers where they go out', () => {
  expect(found(overTunnel, rules('netdev', 'ingress', 'veth1', [is('ip', 'saddr', POD)]))).toEqual([
    'probe ingress true',
  ])
  expect(found(overTunnel, rules('netdev', 'egress', 'veth1', [is('ip', 'daddr', POD)]))).toEqual([
    'answer egress true',
  ])
})

test('what a bridge forwards between its ports, although the packet never came as far as the bridge', () => {
  const here = way(HERE, 'cni0', [station({ device: 'veth1', destination: HERE })])
  expect(found(here, rules('bridge', 'forward', null, [is('ip', 'daddr', HERE)]))).toEqual(['probe forward true'])
})
