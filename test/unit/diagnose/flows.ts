/** Flows as the taps see them, on a node with a bridge and a VXLAN tunnel: pod -> eth0 -> veth7 -> cni0 -> vx0 -> eth0. */
import type { Case } from '../../../lib/diagnose/index.ts'
import type { FlowSeen, LinkState, NamespaceState, Observed, Side, Station, Windows } from '../../../lib/state.ts'
import type { Answer, Place, Result, Target } from '../../../lib/types.ts'

export const POD = '198.18.1.4'
export const THERE = '198.18.2.4'
export const OTHER_THERE = '198.18.2.5'
export const HERE = '198.18.1.9'
export const NODE = '198.51.100.1'
export const OTHER_NODE = '198.51.100.2'
export const SERVICE = '198.19.0.20'
export const EACH: Windows = [7, 0, 11]

const link = (name: string, index: number, more: Partial<LinkState> = {}): LinkState => ({
  ...{ name, index, mtu: 1450, kind: null, peerIndex: null, peerName: null, master: null, operstate: 'UP' },
  ...{ flags: ['UP', 'LOWER_UP'], mac: `02:00:00:00:01:0${index}`, port: null, vxlan: null, counters: null },
  ...more,
})

const EMPTY: NamespaceState = {
  ...{ links: [], addresses: [], routes: [], rules: [], neighbours: [], fdb: [], sysctls: {} },
}

export const states = (node: Partial<NamespaceState> = {}, own: Partial<NamespaceState> = {}) => ({
  own: { ...EMPTY, links: [link('eth0', 2, { kind: 'veth', peerIndex: 7 })], ...own },
  node: {
    ...EMPTY,
    links: [
      link('eth0', 1),
      link('cni0', 3, { kind: 'bridge' }),
      link('vx0', 4, { kind: 'vxlan', vxlan: { id: 1, port: 8472, local: NODE, device: 'eth0', learning: false } }),
      link('veth7', 7, { kind: 'veth', peerIndex: 2, master: 'cni0' }),
      link('veth8', 8, { kind: 'veth', peerIndex: 2, master: 'cni0' }),
    ],
    addresses: [
      {
        address: NODE,
        family: 4,
        device: 'eth0',
        prefixLength: 24,
        scope: 'global',
        dadFailed: false,
        tentative: false,
        dynamic: false,
      },
    ],
    ...node,
  } satisfies NamespaceState,
})

export const target = (address: string, more: Partial<Target> = {}): Target => ({
  ...{ role: 'the destination pod', name: `default/web-${address.split('.').at(-1)}`, address, family: 4 },
  ...{ protocol: 'tcp', port: 8080, node: address.startsWith('198.18.2.') ? 'n2' : 'n1' },
  ...more,
})

/** "own eth0 out", "node veth7 in", with a kind before it: "answer node vx0 in". */
export function seen(
  text: string,
  {
    source = POD,
    destination = THERE,
    times = EACH,
    outer = null,
    refusal = null,
  }: Partial<{
    source: string
    destination: string
    times: Windows
    outer: string | null
    refusal: string | null
  }> = {},
): Station {
  const words = text.split(' ')
  const kind = ['answer', 'error'].includes(words[0] ?? '') ? (words.shift() as 'answer' | 'error') : 'probe'
  const [side, device, way] = words as [Side, string, string]
  return {
    ...{ side, device, outgoing: way === 'out', kind, source, destination, destinationPort: 8080 },
    ...{ outer: outer === null ? null : { source: NODE, destination: outer, port: 8472 }, refusal, seen: times },
  }
}

const answer = (text: string, source = THERE, more: object = {}) =>
  seen(`answer ${text}`, { source, destination: POD, ...more })

/** The way of a packet up to a point. */
export const WAY = {
  podOut: [seen('own eth0 out')],
  nodeIn: [seen('own eth0 out'), seen('node veth7 in'), seen('node cni0 in')],
  inTunnel: [seen('own eth0 out'), seen('node veth7 in'), seen('node cni0 in'), seen('node vx0 out')],
  gone: [
    ...[seen('own eth0 out'), seen('node veth7 in'), seen('node cni0 in'), seen('node vx0 out')],
    seen('node eth0 out', { outer: OTHER_NODE }),
  ],
  back: [answer('node eth0 in', THERE, { outer: NODE }), answer('node vx0 in')],
  home: [answer('node veth7 out'), answer('own eth0 in')],
} as const

export function flow(stations: readonly Station[], more: Partial<FlowSeen> = {}): FlowSeen {
  return {
    ...{ target: target(THERE), source: POD, sent: EACH, refused: null, answered: 0, stations, filters: [] },
    routes: {
      own: { ok: true, device: 'eth0', gateway: '198.18.1.1', said: 'default via 198.18.1.1 dev eth0' },
      node: {},
      back: {},
    },
    ...more,
  }
}

export function observed(flows: readonly FlowSeen[], more: Partial<Observed> = {}): Observed {
  return { flows, counters: {}, drops: null, blind: {}, neighbours: {}, states: states(), ...more }
}

/** A result with its replay: failing with `code` for those targets, or passing. */
export function result(
  check: string,
  code: string | null,
  targets: readonly Target[],
  more: Partial<Result> = {},
): Result {
  const place: Place = check.startsWith('host/') ? 'node' : 'pod'
  const answers: Answer[] = targets.map((one) => ({ target: one, code, said: code ?? 'answered', ms: null }))
  return {
    ...{ id: check, file: `checks/${check}.test.ts`, name: check, check, place, family: 4, seconds: 0, findings: [] },
    ...{ verdict: code === null ? 'pass' : 'fail', seen: `seen by ${check}`, evidence: [], targets, answers },
    ...(code === null ? {} : { code }),
    ...more,
  }
}

export const about = {
  node: 'n1',
  source: { namespace: 'default', name: 'bbox', foundBy: 'CRI' },
  nodeAddresses: [NODE],
  command: 'npx vitest run',
}

export const failing = (
  check: string,
  code: string,
  flows: readonly FlowSeen[],
  more: Partial<Observed> = {},
): Case => ({
  result: result(
    check,
    code,
    flows.map((one) => one.target),
  ),
  observed: observed(flows, more),
})

export const passing = (check: string, targets: readonly Target[]): Case => ({
  result: result(check, null, targets),
  observed: null,
})
