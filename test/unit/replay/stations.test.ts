import { describe, expect, test } from 'vitest'
import type { SeenPacket } from '../../../lib/packet/frame.ts'
import { kindOf, stationsOf, type Watched, withShared } from '../../../lib/replay/stations.ts'
import type { Side } from '../../../lib/state.ts'

const answer: SeenPacket = {
  ...{
    family: 4 as const,
    source: '198.18.2.4',
    destination: '198.18.1.4',
    protocol: 'tcp' as const,
    sourcePort: 8080,
  },
  ...{ destinationPort: 40_000, flags: 0x12, icmp: null, mark: null, quoted: null, outer: null },
}
const flow = {
  target: { role: 'a pod', name: 'web', address: '198.18.2.4', family: 4, protocol: 'tcp', port: 8080 },
  keys: new Set([40_000]),
  shared: new Set<number>(),
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

const NONE: ReadonlySet<string> = new Set()

describe('a packet that has its mark', () => {
  const NODE = '198.51.100.1'
  const syn: SeenPacket = {
    ...answer,
    ...{ source: '198.18.1.4', destination: '198.18.2.4', sourcePort: 40_000, destinationPort: 8080 },
    ...{ flags: 0x02, mark: 'syn 7' },
  }
  const masqueraded = { ...syn, source: NODE, sourcePort: 61_234 }
  const reset = { ...answer, destination: NODE, destinationPort: 61_234, flags: 0x14, mark: 'syn 7' }
  const at = (side: Side, outgoing: boolean, ...packets: SeenPacket[]): Watched => ({
    ...{ side, names: new Map([[2, 'eth0']]), ends: new Set<number>() },
    windows: [packets.map((packet) => ({ interfaceIndex: 2, outgoing, forAnother: false, packet })), [], []],
  })
  const kinds = (watched: readonly Watched[]) => stationsOf(flow, watched).map(({ side, kind }) => `${side} ${kind}`)

  test('is known behind masquerading that changes its port, and so is what answers it', () => {
    const node = [at('node', true, masqueraded), at('node', false, reset)]
    expect(kinds([at('own', true, syn), ...node])).toEqual(['own probe', 'node probe', 'node answer'])
    // without the tap on the asking side only the port is known
    expect(kinds(node)).toEqual([])
  })

  test('is no other connection’s that has the port', () => {
    const other = { ...syn, mark: 'syn 8' }
    expect(kinds([at('own', true, syn), at('node', false, other)])).toEqual(['own probe'])
  })

  test('quoted by an ICMP error', () => {
    const error = {
      ...answer,
      protocol: 'icmp' as const,
      icmp: { type: 3, code: 13 },
      quoted: { ...masqueraded, flags: 0 },
    }
    expect(kinds([at('own', true, syn), at('node', false, error)])).toEqual(['own probe', 'node error'])
  })
})

describe('the kernel gives one port to flows to different targets', () => {
  const [THERE, BACKEND] = ['198.18.2.4', '198.18.2.5']
  const probeTo = (destination: string): SeenPacket => ({
    ...answer,
    ...{ source: '198.18.1.4', destination, sourcePort: 40_000, destinationPort: 8080 },
  })
  const service = { ...flow, target: { ...flow.target, role: 'the destination service', address: '198.19.0.20' } }

  test('what goes to another address is another flow’s', () => {
    expect(kindOf(probeTo(THERE), flow, NONE)).toBe('probe')
    expect(kindOf(probeTo(BACKEND), flow, NONE)).toBeNull()
    expect(kindOf({ ...answer, source: BACKEND }, flow, NONE)).toBeNull()
  })

  test('but a Service’s packets go on with a backend’s address, where the port is that flow’s alone', () => {
    expect(kindOf(probeTo(BACKEND), service, NONE)).toBe('probe')
    const shared = new Set([40_000])
    expect(kindOf(probeTo(BACKEND), { ...service, shared }, NONE)).toBeNull()
    expect(kindOf(probeTo('198.19.0.20'), { ...service, shared }, NONE)).toBe('probe')
  })

  test('shared is what two flows of one protocol use', () => {
    const of = (target: typeof flow.target | typeof service.target, ...keys: number[]) => ({
      target,
      keys: new Set(keys),
    })
    const udp = { ...flow.target, protocol: 'udp' as const }
    const flows = withShared([of(flow.target, 1, 2), of(service.target, 2, 3), { target: udp, keys: new Set([3]) }])
    expect(flows.map(({ shared }) => [...shared])).toEqual([[2], [2], []])
  })
})
