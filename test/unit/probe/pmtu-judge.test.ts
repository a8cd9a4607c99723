import { describe, expect, test } from 'vitest'
import { localError, remoteError } from '../../../lib/probe/icmp-result.ts'
import { judgePathMtu, type PathMtu } from '../../../lib/probe/pmtu/index.ts'

const path = (change: Partial<PathMtu>): PathMtu => ({
  target: { role: 'the destination pod', name: 'shop/web-0', address: '203.0.113.2', family: 4 },
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
const lower = path({
  state: 'lower-signalled',
  mtu: 1411,
  largestPass: 1411,
  smallestLost: 1412,
  signalledBy: '198.51.100.1',
  signalledMtu: 1411,
})
const hole = path({ state: 'black-hole', mtu: 1397, largestPass: 1397, smallestLost: 1398 })
const unanswered = path({ state: 'unanswered', mtu: null, largestPass: null, loss: 1, rttMs: null })
const failed = (code: string) =>
  path({ state: 'error', mtu: null, largestPass: null, error: { ...localError(code), text: `why ${code}` } })
const said = (reason: 'unreachable' | 'prohibited', code: number, text: string) =>
  remoteError('198.51.100.1', { reason, type: 3, code, text })

describe('judgePathMtu', () => {
  test.for([
    ['ok', path({}), null, null],
    ['lower, signalled', lower, 'PATH_MTU_LOWER', null],
    ['black hole', hole, 'PATH_MTU_BLACK_HOLE', 'PATH_MTU_BLACK_HOLE'],
    ['loss', path({ state: 'inconclusive', mtu: null, loss: 0.4 }), 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    ['silent', unanswered, 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    [
      'host unreachable',
      { ...unanswered, error: said('unreachable', 1, 'host unreachable') },
      'UNREACHABLE',
      'UNREACHABLE',
    ],
    [
      'rejected by a rule',
      { ...unanswered, error: said('unreachable', 3, 'port unreachable') },
      'PROBE_INCONCLUSIVE',
      'PROBE_INCONCLUSIVE',
    ],
    ['prohibited', { ...unanswered, error: said('prohibited', 13, 'x') }, 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    ['no route', failed('ENETUNREACH'), 'UNREACHABLE', 'UNREACHABLE'],
    ['local rule', failed('EPERM'), 'PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
    ['no permission', failed('PERMISSION_MISSING'), 'PERMISSION_MISSING', 'PERMISSION_MISSING'],
    ['no module', failed('NATIVE_MODULE_MISSING'), 'NATIVE_MODULE_MISSING', 'NATIVE_MODULE_MISSING'],
  ] as const)('%s', ([, measured, inside, outside]) => {
    for (const [insideCluster, code] of [
      [true, inside],
      [false, outside],
    ] as const) {
      const outcome = judgePathMtu(measured, { insideCluster })
      expect(outcome.ok ? null : outcome.code).toBe(code)
    }
  })

  test('a black hole names what passes, what vanishes and what was promised', () => {
    const outcome = judgePathMtu(hole, { insideCluster: true })
    expect(outcome.ok ? '' : outcome.detail).toBe(
      'packets of 1398 bytes and more to the destination pod vanish without an ICMP error while 1397 bytes pass; 1500 are promised',
    )
    expect(outcome.evidence).toContainEqual({ kind: 'scalar', name: 'promised MTU', value: 1500, unit: 'bytes' })
    expect(outcome.evidence).toContainEqual({ kind: 'scalar', name: 'path MTU', value: 1397, unit: 'bytes' })
  })

  test('a lower MTU shows the hop that signalled it, also where it passes', () => {
    const outcome = judgePathMtu(lower, { insideCluster: false })
    expect(outcome.evidence.find(({ kind }) => kind === 'path')).toEqual({
      kind: 'path',
      name: 'path',
      hops: [
        { name: 'source', mtu: 1500, note: 'promised' },
        { name: 'signals a lower MTU', address: '198.51.100.1', mtu: 1411 },
        { name: 'shop/web-0', address: '203.0.113.2', mtu: 1411 },
      ],
    })
  })

  test('what could not be measured leaves no number behind', () => {
    const names = judgePathMtu(unanswered, { insideCluster: true }).evidence.map(({ name }) => name)
    expect(names).not.toContain('path MTU')
    expect(names).not.toContain('loss')
  })
})
