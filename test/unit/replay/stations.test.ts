import { expect, test } from 'vitest'
import type { SeenPacket } from '../../../lib/packet/frame.ts'
import { stationsOf, type Watched } from '../../../lib/replay/stations.ts'

const answer: SeenPacket = {
  ...{ family: 4, source: '198.18.2.4', destination: '198.18.1.4', protocol: 'tcp', sourcePort: 8080 },
  ...{ destinationPort: 40_000, flags: 0x12, icmp: null, quoted: null, outer: null },
}
const flow = {
  target: { role: 'a pod', name: 'web', address: '198.18.2.4', family: 4, protocol: 'tcp', port: 8080 },
  keys: new Set([40_000]),
} as const
const side = (ends: readonly number[]): Watched => ({
  side: 'own',
  names: new Map([[2, 'eth0']]),
  ends: new Set(ends),
  windows: [[{ interfaceIndex: 2, outgoing: false, forAnother: true, packet: answer }], [], []],
})

test('what a bridge floods to a pod that it is not for has not reached the pod', () => {
  expect(stationsOf(flow, [side([2])])).toEqual([])
})

test('what a port of a bridge takes in for the bridge has come in there', () => {
  expect(stationsOf(flow, [side([])])).toMatchObject([{ device: 'eth0', kind: 'answer', seen: [1, 0, 0] }])
})
