import { describe, expect, test } from 'vitest'
import { CODES } from '../../../lib/diagnose/codes.ts'
import type { Link } from '../../../lib/node/links.ts'
import { localError, remoteError } from '../../../lib/probe/icmp-result.ts'
import { judgePathMtu, type PathContext, type PathMtu, plainContext } from '../../../lib/probe/pmtu/index.ts'
import type { SegmentResult } from '../../../lib/probe/pmtu/tcp.ts'
import type { Evidence } from '../../../lib/types.ts'

const target = { role: 'the destination pod', name: 'shop/web-0', address: '203.0.113.2', family: 4 } as const
const path = (change: Partial<PathMtu>): PathMtu => ({
  target,
  promised: 1500,
  state: 'ok',
  mtu: 1500,
  signalledBy: null,
  signalledMtu: null,
  largestPass: 1500,
  smallestLost: null,
  probesSent: 3,
  loss: 0,
  rttMs: 1,
  error: null,
  ms: 2,
  ...change,
})
const promise = { mtu: 1500, device: 'eth0', linkMtu: 1500, routeMtu: null, learnedMtu: null }
const context = (change: Partial<PathContext> = {}): PathContext => ({ ...plainContext(promise, true), ...change })
const segment = (state: SegmentResult['state'], change: Partial<SegmentResult> = {}): SegmentResult => ({
  target: { ...target, protocol: 'tcp', port: 8080 },
  state,
  packetBytes: 1500,
  pathMtu: 1500,
  retransmissions: 0,
  ms: 3,
  ...change,
})

const lower = path({
  state: 'lower-signalled',
  mtu: 1411,
  largestPass: 1411,
  smallestLost: 1412,
  signalledBy: '198.51.100.1',
  signalledMtu: 1411,
})
const hole = path({ state: 'black-hole', mtu: 1397, largestPass: 1397, smallestLost: 1398 })
const silent = path({ state: 'unanswered', mtu: null, largestPass: null, loss: 1, rttMs: null })
const failed = (code: string) =>
  path({ state: 'error', mtu: null, largestPass: null, error: { ...localError(code), text: `why ${code}` } })
const said = (reason: 'unreachable' | 'prohibited', code: number, text: string) =>
  remoteError('198.51.100.1', { reason, type: 3, code, text })

const codeOf = (measured: PathMtu, around: Partial<PathContext> = {}) => {
  const { path: outcome } = judgePathMtu(measured, context(around))
  return outcome.ok ? null : outcome.code
}
const saidOf = (measured: PathMtu, around: Partial<PathContext> = {}) =>
  judgePathMtu(measured, context(around)).path.detail ?? ''
const hintOf = (measured: PathMtu, around: Partial<PathContext> = {}) =>
  judgePathMtu(measured, context(around)).hint ?? ''

describe('what the measure alone says, inside the cluster and outside', () => {
  test.for([
    ['ok', path({}), null, null],
    ['lower, signalled', lower, 'PATH_MTU_LOWER', null],
    ['black hole', hole, 'PATH_MTU_BLACK_HOLE', 'PATH_MTU_BLACK_HOLE'],
    ['loss', path({ state: 'inconclusive', mtu: null, loss: 0.4 }), 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    ['silent', silent, 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    [
      'host unreachable',
      { ...silent, error: said('unreachable', 1, 'host unreachable') },
      'UNREACHABLE',
      'UNREACHABLE',
    ],
    [
      'rejected by a rule',
      { ...silent, error: said('unreachable', 3, 'port unreachable') },
      'PROBE_INCONCLUSIVE',
      'PROBE_INCONCLUSIVE',
    ],
    ['prohibited', { ...silent, error: said('prohibited', 13, 'x') }, 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    ['no route', failed('ENETUNREACH'), 'UNREACHABLE', 'UNREACHABLE'],
    ['local rule', failed('EPERM'), 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    ['no permission', failed('PERMISSION_MISSING'), 'PERMISSION_MISSING', 'PERMISSION_MISSING'],
    ['no module', failed('NATIVE_MODULE_MISSING'), 'NATIVE_MODULE_MISSING', 'NATIVE_MODULE_MISSING'],
  ] as const)('%s', ([, measured, inside, outside]) => {
    expect(codeOf(measured)).toBe(inside)
    expect(codeOf(measured, { insideCluster: false })).toBe(outside)
  })

  test('a black hole names what passes, what vanishes and what was promised', () => {
    expect(saidOf(hole)).toBe(
      'packets of 1398 bytes and more to the destination pod vanish without an ICMP error while 1397 bytes pass; 1500 are promised',
    )
    const { evidence } = judgePathMtu(hole, context()).path
    expect(evidence).toContainEqual({ kind: 'scalar', name: 'promised MTU', value: 1500, unit: 'bytes' })
    expect(evidence).toContainEqual({ kind: 'scalar', name: 'path MTU', value: 1397, unit: 'bytes' })
  })

  test('what could not be measured leaves no number behind', () => {
    const names = judgePathMtu(silent, context()).path.evidence.map(({ name }) => name)
    expect(names).not.toContain('path MTU')
    expect(names).not.toContain('loss')
  })
})

describe('the path with each MTU at its place', () => {
  const pathOf = (measured: PathMtu, around: Partial<PathContext> = {}) =>
    judgePathMtu(measured, context(around)).path.evidence.find(
      (item): item is Extract<Evidence, { kind: 'path' }> => item.kind === 'path',
    )

  test('a lower MTU shows the hop that signalled it, also where it passes', () => {
    expect(pathOf(lower, { insideCluster: false })).toEqual({
      kind: 'path',
      name: 'path',
      hops: [
        { name: 'source', mtu: 1500, note: 'promised, eth0' },
        { name: 'signals a lower MTU', address: '198.51.100.1', mtu: 1411 },
        { name: 'shop/web-0', address: '203.0.113.2', mtu: 1411 },
      ],
      mtu: { promised: 1500, measured: 1411, signalledBy: '198.51.100.1' },
    })
  })

  test('a black hole stops behind the last station that is known', () => {
    const around = {
      firstHop: { device: 'veth1', mtu: 1500 },
      tunnel: { device: 'vx0', kind: 'vxlan', mtu: 1500, overhead: 50, underlay: null },
    }
    expect(pathOf(hole, around)?.hops.map(({ name, stops }) => [name, stops === true])).toEqual([
      ['source', false],
      ['node, veth1', false],
      ['tunnel vx0', true],
      ['shop/web-0', false],
    ])
    expect(pathOf(hole, around)?.mtu).toEqual({ promised: 1500, measured: 1397, signalledBy: null })
  })

  test('at the first hop it stops at the source', () => {
    const hops = pathOf(hole, { firstHop: { device: 'veth1', mtu: 1393 } })?.hops
    expect(hops?.map(({ stops }) => stops === true)).toEqual([true, false, false])
  })
})

describe('a black hole whose cause is seen', () => {
  const nodeLinks: Link[] = []

  test.for([
    ['the smaller MTU itself', 1397],
    ['room for a VLAN tag', 1393],
  ] as const)('the first hop: %s', ([, mtu]) => {
    const firstHop = { device: 'veth1', mtu }
    expect(codeOf(hole, { firstHop })).toBe('PATH_MTU_FIRST_HOP')
    expect(saidOf(hole, { firstHop })).toContain(`eth0 has MTU 1500, its peer veth1 on the node ${mtu}`)
    expect(hintOf(hole, { firstHop })).toContain('`ip link set dev veth1 mtu 1500`')
  })

  test.for([1392, 1398, 1500] as const)('a first hop of %i bytes does not explain it', (mtu) => {
    expect(codeOf(hole, { firstHop: { device: 'veth1', mtu } })).toBe('PATH_MTU_BLACK_HOLE')
  })

  test('errors that are filtered in the pod', () => {
    const filtered = { where: 'pod', saidByNode: true } as const
    expect(codeOf(hole, { filtered })).toBe('PATH_MTU_ERRORS_FILTERED')
    expect(saidOf(hole, { filtered })).toContain('the node says "too big", but a rule in the pod drops it')
    expect(hintOf(hole, { filtered, nodeLinks })).toMatch(
      /ICMP type 3 code 4 .* in the pod’s own firewall.*MTU to 1397/,
    )
  })

  test('between nodes it is the node whose interface is set, and whose rules drop', () => {
    const asker = 'node' as const
    expect(hintOf(hole, { asker })).toMatch(
      /carry 1500 bytes .*`ip link set dev eth0 mtu 1397`.*VXLAN: 1347 over IPv4, 1327 over/,
    )
    expect(hintOf(lower, { asker })).toContain('`ip link set dev eth0 mtu 1411`')
    const filtered = { where: 'node', saidByNode: false } as const
    expect(saidOf(hole, { asker, filtered })).toContain("but the node's own rules drop it")
  })

  test('errors that are filtered on the node, of IPv6', () => {
    const filtered = { where: 'node', saidByNode: false } as const
    const six = { ...hole, target: { ...target, family: 6 } as const }
    expect(saidOf(six, { filtered })).toContain('somebody beyond the node says "too big", but the node drops it')
    expect(hintOf(six, { filtered, insideCluster: false })).toMatch(
      /^Let ICMPv6 type 2 .* in this node’s firewall[^.]*\.$/,
    )
  })
})

describe('what TCP adds', () => {
  test.for([
    [
      'stalled',
      segment('stalled', { retransmissions: 3 }),
      'TCP confirms it: a segment in a packet of 1500 bytes is never acknowledged (sent again 3 times)',
    ],
    ['adapted', segment('adapted', { packetBytes: 1397 }), 'TCP adapts: it went down to packets of 1397 bytes'],
    ['carried', segment('carried'), 'yet a TCP segment in a packet of 1500 bytes was acknowledged'],
  ] as const)('%s beside a black hole: both are said, and it stays a failure', ([, tcp, words]) => {
    expect(codeOf(hole, { segment: tcp })).toBe('PATH_MTU_BLACK_HOLE')
    expect(saidOf(hole, { segment: tcp })).toMatch(new RegExp(`1500 are promised; ${words.replace(/[()]/g, '\\$&')}$`))
  })

  test.for([
    ['a full segment is acknowledged', segment('carried'), null],
    ['a smaller one, because the peer asks for no larger', segment('carried', { packetBytes: 1400 }), null],
    [
      'a smaller one, because the path is smaller',
      segment('adapted', { packetBytes: 1400, pathMtu: 1400 }),
      'PATH_MTU_LOWER',
    ],
    ['the kernel had learned so before', segment('carried', { packetBytes: 1400, pathMtu: 1400 }), 'PATH_MTU_LOWER'],
    ['it is never acknowledged', segment('stalled'), 'PATH_MTU_BLACK_HOLE'],
    ['the peer closes', segment('ended'), 'PROBE_INCONCLUSIVE'],
    ['no port answers', segment('unconnected', { packetBytes: null, pathMtu: null }), 'PROBE_INCONCLUSIVE'],
  ] as const)('where no echo is answered: %s', ([, tcp, code]) => {
    expect(codeOf(silent, { segment: tcp })).toBe(code)
    // outside of the cluster a lower MTU that TCP adapts to is no fault
    expect(codeOf(silent, { segment: tcp, insideCluster: false })).toBe(code === 'PATH_MTU_LOWER' ? null : code)
  })

  test('says what it saw', () => {
    expect(saidOf(silent, { segment: segment('carried') })).toBe(
      'no echo is answered; a TCP segment in a packet of 1500 bytes is acknowledged',
    )
    expect(saidOf(silent, { segment: segment('stalled', { retransmissions: 2 }) })).toContain(
      'TCP connects, but a segment in a packet of 1500 bytes is never acknowledged (sent again 2 times)',
    )
  })
})

describe('EXPECT_MTU', () => {
  test('is met by what carries as much or more', () => {
    expect(codeOf(path({}), { expected: 1500 })).toBeNull()
    expect(codeOf(path({}), { expected: 1400 })).toBeNull()
  })

  test('fails where the pod is promised less', () => {
    expect(codeOf(path({}), { expected: 8951 })).toBe('PATH_MTU_BELOW_EXPECTED')
    expect(saidOf(path({}), { expected: 8951 })).toBe(
      'packets of up to 1500 bytes reach the destination pod, EXPECT_MTU is 8951: only 1500 are promised (MTU of eth0)',
    )
    expect(hintOf(path({}), { expected: 8951 })).toContain("Set the pod network's MTU to 8951")
  })

  test('fails where the path says that it carries less, which else only warns', () => {
    expect(codeOf(lower, { expected: 1412 })).toBe('PATH_MTU_BELOW_EXPECTED')
    expect(codeOf(lower, { expected: 1411 })).toBe('PATH_MTU_LOWER')
  })

  test('a black hole stays one', () => {
    expect(codeOf(hole, { expected: 1500 })).toBe('PATH_MTU_BLACK_HOLE')
  })
})

describe('a tunnel whose packets are cut in pieces', () => {
  const tunnel = { device: 'vx0', kind: 'vxlan', mtu: 1500, overhead: 50, underlay: { device: 'eth1', mtu: 1480 } }

  test('warns, and says which MTU would fit', () => {
    expect(codeOf(path({}), { outerFragments: true, tunnel })).toBe('PATH_MTU_OUTER_FRAGMENTS')
    expect(hintOf(path({}), { outerFragments: true, tunnel })).toContain("Set the pod network's MTU to 1430")
  })

  test('is not said of a path that is lower anyway', () => {
    expect(codeOf(lower, { outerFragments: true, tunnel })).toBe('PATH_MTU_LOWER')
  })
})

test('every code has its text', () => {
  for (const code of ['BLACK_HOLE', 'FIRST_HOP', 'ERRORS_FILTERED', 'BELOW_EXPECTED'])
    expect(CODES[`PATH_MTU_${code}`]?.kind).toBe('fail')
  for (const code of ['LOWER', 'OUTER_FRAGMENTS']) expect(CODES[`PATH_MTU_${code}`]?.kind).toBe('warn')
})
