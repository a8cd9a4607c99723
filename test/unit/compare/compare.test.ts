import { describe, expect, test } from 'vitest'
import { type Comparing, changedState, compare } from '../../../lib/compare/index.ts'
import { parseWaivers } from '../../../lib/compare/waivers.ts'
import type { Report, Result, StateFact, Verdict } from '../../../lib/types.ts'
import { report, result } from '../report/sample.ts'

const ask = (verdict: Verdict, code?: string, name = 'the gateway answers'): Result =>
  result('checks/pod/gateway.test.ts', name, { verdict, ...(code ? { code } : {}) })
const failing = (code = 'UNREACHABLE') => ask('fail', code)
const run = (results: readonly Result[], changes: Partial<Report> = {}) => report(results, changes)

const waiver = (more = '') =>
  parseWaivers(`[{check: pod/gateway, reason: ticket 4711, expires: 2026-06-30${more}}]`, ['pod/gateway']).waivers

function compared(now: Report, changes: Partial<Comparing> & { gate?: boolean } = {}) {
  const { node, clusterUid, settings, environment = [] } = now
  return compare(now, {
    ...{ baselines: [], waivers: [], gate: false, today: '2026-03-04' },
    identityFor: () => ({ node, clusterUid, settings, environment }),
    ...changes,
  })
}

const changesOf = (now: Result, before: readonly Result[], more: Partial<Comparing> = {}) =>
  compared(run([now]), { baselines: before.map((one) => run([one])), ...more }).comparison?.changes

describe('a result beside one earlier run', () => {
  test.each<[string, Result, Result, string | undefined]>([
    ['fails as before', failing(), failing(), 'known'],
    ['fails with another code', failing('REJECTED'), failing(), 'known'],
    ['fails anew', failing(), ask('pass'), 'new'],
    ['fails after a warning', failing(), ask('warn', 'PACKET_LOSS'), 'new'],
    ['fails where nothing was known', failing(), ask('inconclusive', 'TIMED_OUT'), 'new'],
    ['fails where it did not apply', failing(), ask('not-applicable'), 'new'],
    ['passes as before', ask('pass'), ask('pass'), undefined],
    ['is mended', ask('pass'), failing(), 'fixed'],
    ['is mended but for a warning', ask('warn', 'PACKET_LOSS'), failing(), 'fixed'],
    ['warns anew', ask('warn', 'PACKET_LOSS'), ask('pass'), 'new-warning'],
    ['warns as before', ask('warn', 'PACKET_LOSS'), ask('warn', 'PACKET_LOSS'), undefined],
    ['has no answer any more', ask('inconclusive', 'TIMED_OUT'), ask('pass'), 'unanswered'],
    ['has no answer any more, and failed', ask('inconclusive', 'TIMED_OUT'), failing(), 'unanswered'],
    ['never had an answer', ask('inconclusive', 'TIMED_OUT'), ask('inconclusive', 'TIMED_OUT'), undefined],
    ['does not apply any more', ask('not-applicable'), failing(), undefined],
  ])('%s', (_, now, before, status) => {
    expect(changesOf(now, [before])?.map((change) => change.status)).toEqual(status ? [status] : [])
  })

  test('a check that the earlier run did not have fails anew', () => {
    const changes = compared(run([failing()]), { baselines: [run([ask('pass', undefined, 'another')])] }).comparison
      ?.changes
    expect(changes).toMatchObject([{ status: 'new', before: null, excused: false }])
  })

  test('what failed before is excused only where the gate says so; what is new never is', () => {
    expect(changesOf(failing(), [failing()])).toMatchObject([{ status: 'known', excused: false }])
    expect(changesOf(failing(), [failing()], { gate: true })).toMatchObject([{ status: 'known', excused: true }])
    expect(changesOf(failing(), [ask('pass')], { gate: true })).toMatchObject([{ status: 'new', excused: false }])
    expect(changesOf(ask('inconclusive', 'TIMED_OUT'), [ask('pass')], { gate: true })).toMatchObject([
      { excused: false },
    ])
  })
})

describe('beside several runs', () => {
  test('steady and unsteady are told apart', () => {
    expect(changesOf(failing(), [ask('pass'), failing(), ask('pass')])).toMatchObject([
      { status: 'known', before: { failed: 1, of: 3, codes: ['UNREACHABLE'] } },
    ])
    expect(changesOf(ask('pass'), [failing(), failing()])).toMatchObject([{ status: 'fixed' }])
    expect(changesOf(ask('pass'), [failing(), ask('pass')])).toMatchObject([{ status: 'unsteady' }])
  })

  test('runs of this node count, those of others only where none is of this one', () => {
    const other = run([failing()], { node: 'n2' })
    const own = run([ask('pass')])
    const { comparison } = compared(run([failing()]), { baselines: [other, own, other] })
    expect(comparison?.baselines).toHaveLength(1)
    expect(comparison?.changes).toMatchObject([{ status: 'new' }])
    expect(comparison?.notes).toContainEqual(expect.stringMatching(/other nodes that were left out.*: 2$/))
    const foreign = compared(run([failing()]), { baselines: [other] }).comparison
    expect(foreign?.changes).toMatchObject([{ status: 'known' }])
    expect(foreign?.notes).toContainEqual(expect.stringMatching(/no earlier report is of this node/))
  })
})

describe('notes', () => {
  const notes = (now: Partial<Report>, before: Partial<Report>) =>
    compared(run([ask('pass')], now), { baselines: [run([ask('pass')], before)] }).comparison?.notes ?? []

  test('two runs of one kind need none but for what both do not know', () => {
    expect(notes({}, {})).toEqual([expect.stringMatching(/^not compared, since not both runs know it: kernel, /)])
  })

  test.each<[string, Partial<Report>, Partial<Report>, RegExp]>([
    ['another cluster', {}, { clusterUid: 'other' }, /another cluster/],
    [
      'another version',
      {},
      { tool: { name: 'k8snetlook', version: '0.0.9' } },
      /was of version 0\.0\.9, this one is of/,
    ],
    ['other settings', { settings: [{ name: 'PROBES', value: '9' }] }, { settings: [] }, /other settings: PROBES$/],
  ])('%s', (_, now, before, said) => {
    expect(notes(now, before).filter((note) => said.test(note))).toHaveLength(1)
  })

  test('a cluster that is not known is no other one, and where reports are written is no setting that counts', () => {
    const settings = [{ name: 'REPORTS_DIR', value: 'x' }]
    expect(notes({ clusterUid: null, settings }, { settings: [] })).toHaveLength(1)
  })

  test('checks that were not asked this time', () => {
    const before = run([ask('pass'), ask('pass', undefined, 'another')])
    const { comparison } = compared(run([ask('pass')]), { baselines: [before] })
    expect(comparison?.notes).toContainEqual(expect.stringMatching(/this one did not: 1$/))
  })
})

describe('waivers', () => {
  test('nothing to compare with and nothing waived: no comparison', () => {
    expect(compared(run([failing()]))).toEqual({ errors: [] })
  })

  test('without a baseline a waived failure is known, and the others stand as they are', () => {
    const other = result('checks/pod/link.test.ts', 'x', { verdict: 'fail', code: 'LINK_DOWN' })
    const { comparison, errors } = compared(run([failing(), other]), { waivers: waiver() })
    expect(comparison?.changes).toMatchObject([
      { status: 'known', before: null, excused: true, waiver: { reason: 'ticket 4711', expires: '2026-06-30' } },
    ])
    expect(comparison?.baselines).toEqual([])
    expect(errors).toEqual([])
  })

  test.each<[string, boolean]>([
    ['2026-06-29', true],
    ['2026-06-30', true],
    ['2026-07-01', false],
  ])('on %s it holds: %s', (today, holds) => {
    const { comparison, errors } = compared(run([failing()]), { waivers: waiver(), today })
    expect(comparison?.changes.map(({ excused }) => excused)).toEqual(holds ? [true] : [])
    expect(errors.map(({ code }) => code)).toEqual(holds ? [] : ['WAIVER_EXPIRED'])
  })

  test('an expired one fails even where nothing is left to waive, and says of what, since when and why', () => {
    const { errors } = compared(run([ask('pass')]), { waivers: waiver(', code: UNREACHABLE'), today: '2027-01-01' })
    expect(errors).toEqual([
      {
        code: 'WAIVER_EXPIRED',
        message: 'the waiver of pod/gateway UNREACHABLE ran out on 2026-06-30; its reason was: ticket 4711',
      },
    ])
  })

  test.each<[string, Result, RegExp]>([
    ['the check passes', ask('pass'), /remove it$/],
    ['it fails otherwise', failing('REJECTED'), /remove it$/],
    ['it was not answered', ask('inconclusive', 'TIMED_OUT'), /gave no answer in this run$/],
  ])('an unused one is told: %s', (_, now, said) => {
    const { comparison } = compared(run([now]), { waivers: waiver(', code: UNREACHABLE') })
    expect(comparison?.notes).toEqual([
      expect.stringMatching(/^unused waiver of pod\/gateway UNREACHABLE, until 2026-06-30: /),
    ])
    expect(comparison?.notes[0]).toMatch(said)
    expect(comparison?.changes).toEqual([])
  })

  test('a waived warning is known', () => {
    const { comparison } = compared(run([ask('warn', 'PACKET_LOSS')]), { waivers: waiver() })
    expect(comparison?.changes).toMatchObject([{ status: 'known', excused: false }])
    expect(comparison?.notes).toEqual([])
  })
})

describe('state', () => {
  const fact = (topic: StateFact['topic'], name: string, value: StateFact['value']): StateFact =>
    value === null ? { topic, name, value, why: 'not read' } : { topic, name, value }
  const kernel = (value: string | null) => fact('kernel', 'kernel release', value)

  test('what differs, what came and what went', () => {
    const before = [kernel('6.1'), fact('route', '192.0.2.0/24', 'dev eth0'), fact('mtu', 'eth0', 1500)]
    const now = [kernel('6.12'), fact('route', '198.51.100.0/24', 'dev eth0'), fact('mtu', 'eth0', 1500)]
    expect(changedState(before, now)).toEqual([
      { topic: 'kernel', name: 'kernel release', before: '6.1', now: '6.12' },
      { topic: 'route', name: '192.0.2.0/24', before: 'dev eth0', now: null },
      { topic: 'route', name: '198.51.100.0/24', before: null, now: 'dev eth0' },
    ])
  })

  test('what only one run could read is no change', () => {
    expect(changedState([kernel(null)], [kernel('6.12')])).toEqual([])
    expect(changedState([], [kernel('6.12')])).toEqual([])
    const one = [fact('cni', 'a', 'x'), fact('cni', 'b', null)]
    expect(changedState(one, [fact('cni', 'a', 'x'), fact('cni', 'b', 'y')])).toEqual([])
  })

  test('the newest earlier run is what it is compared with', () => {
    const [old, newer] = ['5.10', '6.1'].map((value) => run([ask('pass')], { environment: [kernel(value)] }))
    const now = run([ask('pass')], { environment: [kernel('6.1')] })
    expect(compared(now, { baselines: [old, newer] as Report[] }).comparison?.stateChanges).toEqual([])
  })
})

test('figures: a failing result is compared with a failing one, a sound one with a sound one', () => {
  const path = (measured: number) => ({
    kind: 'path' as const,
    name: 'path',
    hops: [],
    mtu: { promised: 1500, measured, signalledBy: null },
  })
  const of = (verdict: Verdict, measured: number) =>
    result('checks/pod/mtu-api.test.ts', 'x', { verdict, code: 'PATH_MTU_BLACK_HOLE', evidence: [path(measured)] })
  const worse = (now: Result, before: Result) =>
    compared(run([now]), { baselines: [run([before])] }).comparison?.worse.map(({ code }) => code)
  expect(worse(of('pass', 1400), of('pass', 1500))).toEqual(['PATH_MTU_REDUCED'])
  expect(worse(of('fail', 1300), of('fail', 1400))).toEqual(['PATH_MTU_REDUCED'])
  expect(worse(of('fail', 1300), of('pass', 1500))).toEqual([])
})
