/** A run beside an earlier one: something new, known, waived, fixed and worse, and set differently. */
import type { Change, Comparison, Result } from '../../../lib/types.ts'
import { report, result } from './sample.ts'

export const resultOf = (question: string, verdict: Result['verdict'], code?: string): Result =>
  result(`checks/pod/${question.replace(/\W+/g, '-')}.test.ts`, question, {
    verdict,
    ...(code ? { code, seen: `seen of ${question}` } : {}),
  })
export const fresh = resultOf('fails anew', 'fail', 'UNREACHABLE')
export const old = resultOf('fails as before', 'fail', 'BACKEND_DEAD')
export const waived = resultOf('fails and is waived', 'fail', 'LINK_DOWN')
export const mended = resultOf('passes again', 'pass')
export const good = resultOf('passes', 'pass')

export const change = (of: Result, status: Change['status'], more: Partial<Change> = {}): Change => ({
  ...{ id: of.id, name: of.name, status, excused: false },
  ...(of.code ? { code: of.code } : {}),
  before: { failed: status === 'new' ? 0 : 1, of: 1, codes: status === 'new' ? [] : [of.code ?? 'NO_ROUTE'] },
  ...more,
})
export const WAIVER = { reason: 'ticket 4711', expires: '2026-06-30' }

export const comparison = (changes: readonly Change[], more: Partial<Comparison> = {}): Comparison => ({
  baselines: [{ runId: 'run-1', node: 'n1', started: '2026-03-01T02:03:04.567Z', verdict: 'fail' }],
  gate: true,
  notes: ['unused waiver of pod/gateway, until 2026-06-30: nothing fails that it speaks of: remove it'],
  changes,
  worse: [],
  stateChanges: [
    { topic: 'kernel', name: 'kernel release', before: '6.1.0-25', now: '6.12.1' },
    { topic: 'route', name: '198.51.100.0/24', before: 'via 192.0.2.1 dev eth0', now: null },
  ],
  ...more,
})
export const WORSE = {
  ...{ id: good.id, name: good.name, code: 'RTT_HIGHER', unit: 'ms', before: 0.3, now: 20.4, p: 0.00001 },
}

export const changes = [
  change(fresh, 'new'),
  change(old, 'known', { excused: true }),
  change(waived, 'known', { excused: true, waiver: WAIVER }),
  change(mended, 'fixed'),
]
export const whole = report([fresh, old, waived, mended, good], { comparison: comparison(changes, { worse: [WORSE] }) })
export const quiet = report([old, waived, mended, good], { comparison: comparison(changes.slice(1)) })
