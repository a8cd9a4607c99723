/** What every report shows of the comparison: new, known, fixed and worse are in each of them, and the exit code agrees. */
import { describe, expect, test } from 'vitest'
import { toHtml } from '../../../lib/report/html.ts'
import { toJson } from '../../../lib/report/json.ts'
import { toJUnit, toMergedJUnit } from '../../../lib/report/junit.ts'
import { toMarkdown } from '../../../lib/report/markdown.ts'
import { headline, settled, verdictOf } from '../../../lib/report/model.ts'
import { annotations } from '../../../lib/report/pipeline.ts'
import { Pseudonyms, redacted } from '../../../lib/report/redact.ts'
import { checkLine, summary } from '../../../lib/report/terminal.ts'
import type { Change, Comparison, Report, Result, RunError } from '../../../lib/types.ts'
import { HOSTILE, report } from './sample.ts'
import {
  change,
  changes,
  comparison,
  fresh,
  good,
  mended,
  old,
  quiet,
  resultOf,
  WAIVER,
  WORSE,
  waived,
  whole,
} from './sample-comparison.ts'
import { violations } from './schema.ts'

describe('the verdict', () => {
  const EXPIRED: RunError = { code: 'WAIVER_EXPIRED', message: 'x' }
  const DIED: RunError = { code: 'WORKER_DIED', message: 'x' }
  const lost = resultOf('cannot be asked', 'inconclusive', 'TIMED_OUT')
  test.each<[string, readonly Result[], readonly RunError[], Comparison | undefined, Report['verdict'], number]>([
    ['a new failure', [fresh, good], [], comparison([changes[0] as Change]), 'fail', 1],
    ['known failures only', [old, waived, good], [], comparison(changes.slice(1)), 'warn', 0],
    ['known ones without the gate', [old], [], comparison([change(old, 'known')], { gate: false }), 'fail', 1],
    ['a new one beside known ones', [fresh, old], [], comparison(changes.slice(0, 2)), 'fail', 1],
    ['worse', [good], [], comparison([], { worse: [WORSE] }), 'fail', 1],
    ['worse without the gate', [good], [], comparison([], { worse: [WORSE], gate: false }), 'pass', 0],
    ['an expired waiver', [good], [EXPIRED], undefined, 'fail', 1],
    [
      'a known failure and something inconclusive',
      [old, lost],
      [],
      comparison([changes[1] as Change]),
      'inconclusive',
      2,
    ],
    ['a known failure and a dead worker', [old], [DIED], comparison([changes[1] as Change]), 'inconclusive', 2],
    ['a new failure and a dead worker', [fresh], [DIED], comparison([changes[0] as Change]), 'fail', 1],
  ])('%s', (_, results, errors, compared, verdict, exitCode) => {
    expect(verdictOf(results, errors, compared)).toEqual({ verdict, exitCode })
  })

  test('its sentence says what decided, and what is known', () => {
    expect(headline(settled(whole))).toBe(
      '1 check failed that did not before: UNREACHABLE. Worse than before: RTT_HIGHER (1 time). 2 known failures, 1 of them waived: BACKEND_DEAD, LINK_DOWN.',
    )
    expect(headline(settled(quiet))).toBe(
      'Nothing failed that is not excused. 2 known failures, 1 of them waived: BACKEND_DEAD, LINK_DOWN.',
    )
    const expired = report([good], { errors: [EXPIRED], comparison: comparison([]) })
    expect(headline(settled(expired))).toBe('1 waiver ran out: WAIVER_EXPIRED.')
  })
})

/** Without line breaks, markup and Markdown's escapes. */
const plain = (text: string): string =>
  text
    .replace(/<!\[CDATA\[|\]\]>/g, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
    .replace(/\\(?=[[\]*_`|~$\\])/g, '')
    .replace(/\s+/g, ' ')

const SHOWN: readonly (readonly [string, (of: Report) => string])[] = [
  ['terminal', (of) => summary(of, [], false)],
  ['Markdown', toMarkdown],
  ['HTML', toHtml],
  ['JUnit', (of) => toJUnit(of)],
]

describe.each(SHOWN)('%s', (_, shown) => {
  const text = plain(shown(whole))

  test.each([
    'Compared with the run of 2026-03-01 02:03 UTC on node n1: 1 new failure, 2 known, 1 worse, 1 fixed.',
    'New failures: 1',
    'fails anew, from the pod',
    'Known: 2',
    'fails and is waived, from the pod: waived until 2026-06-30, ticket 4711',
    'Fixed: 1',
    'passes again, from the pod: NO_ROUTE before',
    'passes, from the pod: median round trip 0.3 ms before, 20.4 ms now, by chance with a probability of less than 0.0001',
    'kernel release: 6.1.0-25 before, 6.12.1 now',
    'route 198.51.100.0/24: via 192.0.2.1 dev eth0 before, not there now',
    'unused waiver of pod/gateway',
  ])('says: %s', (said) => {
    expect(text).toContain(said)
  })

  test('without a comparison nothing of it is there', () => {
    expect(plain(shown(report([fresh, good])))).not.toMatch(/earlier run|Compared|known issue|known failure/)
  })
})

test('a line of a check in the terminal says how it stands', () => {
  expect(checkLine(fresh, false, changes[0])).toMatch(/^FAIL new {6}fails anew/)
  expect(checkLine(old, false, changes[1])).toMatch(/^FAIL known {4}fails as before/)
  expect(checkLine(good, false)).toMatch(/^pass {10}passes/)
  expect(checkLine(mended, false, changes[3])).toMatch(/^pass {10}passes again/)
})

test('causes and problems are marked', () => {
  expect(summary(whole, [], false)).toMatch(/^FAIL UNREACHABLE \(new\)$/m)
  expect(summary(whole, [], false)).toMatch(/^FAIL LINK_DOWN \(known\)$/m)
  expect(toMarkdown(whole)).toContain('### `BACKEND_DEAD` (known)')
})

describe('JUnit', () => {
  const xml = toJUnit(whole)
  const caseOf = (name: string) => new RegExp(`<testcase[^>]* name="${name}"[\\s\\S]*?</testcase>`).exec(xml)?.[0] ?? ''

  test('a new failure fails, and says so', () => {
    expect(caseOf('fails anew, from the pod')).toMatch(/<failure message="new: seen of fails anew" type="UNREACHABLE">/)
    expect(caseOf('fails anew, from the pod')).toContain('<property name="comparison" value="new"/>')
  })

  test('an excused failure is skipped with its reason, as test frameworks show what is expected to fail', () => {
    const known = caseOf('fails and is waived, from the pod')
    expect(known).toMatch(
      /<skipped message="known: LINK_DOWN: seen of fails and is waived \(waived until 2026-06-30, ticket 4711\)">/,
    )
    expect(known).not.toContain('<failure')
    expect(known).toContain('<property name="waived until" value="2026-06-30"/>')
    expect(caseOf('fails as before, from the pod')).toMatch(
      /<skipped message="known: BACKEND_DEAD: .* \(it failed before\)">/,
    )
  })

  test('a known failure that still fails the run fails, and says that it is known', () => {
    const kept = report([old], { comparison: comparison([change(old, 'known')], { gate: false }) })
    expect(toJUnit(kept)).toMatch(/<failure message="known: seen of fails as before" type="BACKEND_DEAD">/)
  })

  test('what is worse is a case of its own, which fails where the gate asks for it', () => {
    expect(caseOf('nothing is worse than before')).toMatch(
      /<failure message="RTT_HIGHER: passes, .*" type="RTT_HIGHER">/,
    )
    const shown = toJUnit(report([good], { comparison: comparison([], { worse: [WORSE], gate: false }) }))
    expect(shown).toContain('name="nothing is worse than before"')
    expect(shown).not.toContain('<failure')
  })

  test('an expired waiver is a failure of the run', () => {
    const expired = report([good], {
      errors: [{ code: 'WAIVER_EXPIRED', message: 'ran out' }],
      comparison: comparison([]),
    })
    expect(toJUnit(expired)).toMatch(/<failure message="ran out" type="WAIVER_EXPIRED">/)
  })

  test('merged, each node has its own', () => {
    const merged = toMergedJUnit([whole, { ...quiet, node: 'n2' }])
    expect(merged).toContain('name="k8snetlook.n1.comparison"')
    expect(merged).toContain('name="k8snetlook.n2.comparison"')
    expect(merged.match(/<skipped message="known: /g)).toHaveLength(4)
  })
})

test('GitHub: an excused failure is a warning, what is new or worse an error', () => {
  const lines = annotations(settled(whole))
  expect(lines.filter((line) => line.startsWith('::error ')).join('\n')).toMatch(
    /title=UNREACHABLE%2C new[\s\S]*title=RTT_HIGHER/,
  )
  expect(lines.filter((line) => line.startsWith('::warning ')).join('\n')).toMatch(/title=LINK_DOWN%2C known/)
  expect(annotations(settled(quiet)).some((line) => line.startsWith('::error '))).toBe(false)
})

describe('JSON', () => {
  test('is as the schema says', () => {
    const environment = [
      { topic: 'kernel', name: 'kernel release', value: '6.12.1' },
      { topic: 'mtu', name: 'eth0', value: 1500 },
      { topic: 'cni', name: 'CNI configuration', value: null, why: 'there is none' },
    ] as const
    expect(violations(JSON.parse(toJson({ ...whole, environment })))).toEqual([])
    const alone = comparison(changes.slice(2, 3), { baselines: [], stateChanges: [] })
    expect(violations(JSON.parse(toJson(report([waived], { comparison: alone }))))).toEqual([])
  })
})

describe('what stands in a baseline is foreign', () => {
  const hostile = comparison(
    [
      change(fresh, 'new', {
        name: HOSTILE,
        before: { failed: 1, of: 2, codes: [HOSTILE] },
        waiver: { ...WAIVER, reason: HOSTILE },
      }),
    ],
    {
      notes: [HOSTILE],
      stateChanges: [{ topic: 'kernel', name: HOSTILE, before: HOSTILE, now: HOSTILE }],
      baselines: [{ runId: HOSTILE, node: HOSTILE, started: HOSTILE, verdict: 'pass' }],
    },
  )
  test.each(SHOWN)('harmless in %s', (name, shown) => {
    const text = shown(report([fresh], { comparison: hostile }))
    expect(text).not.toMatch(/[^\P{Cc}\t\n]|\u202e/u)
    if (name === 'HTML') expect(text).not.toContain('<script')
    if (name === 'JUnit') expect(text.match(/<failure /g)).toHaveLength(1)
  })
})

test('REDACT: no name and no address of this run or an earlier one is left', () => {
  const known = new Pseudonyms('0f9d3a52-7c1e-4a57-9a52-1c9b6f1d2e10')
  known.learn('node', 'n1')
  known.learnPod('shop/web-0')
  const secret = comparison([change(waived, 'known', { waiver: { ...WAIVER, reason: 'pod shop/web-0 on n1' } })], {
    baselines: [{ runId: 'r', node: 'old-node-7', started: '2026-03-01T02:03:04.567Z', verdict: 'pass' }],
  })
  const text = toJson(
    redacted(
      report([waived], {
        comparison: secret,
        source: null,
        notes: [],
        settings: [{ name: 'BASELINE', value: 'before/report-old-node-7.json' }],
        errors: [{ code: 'SETTINGS_INVALID', message: 'BASELINE=before/report-old-node-7.json: it does not exist' }],
        environment: [{ topic: 'route', name: '198.51.100.0/24', value: 'via 192.0.2.1 dev eth0' }],
      }),
      known,
    ),
  )
  expect(text).not.toMatch(/old-node-7|192\.0\.2|198\.51\.100|web-0|"n1"/)
  expect(text).toMatch(/via ip4-[0-9a-f]{8} dev eth0/)
  expect(text).toMatch(/report-node-[0-9a-f]{8}\.json/)
  expect(violations(JSON.parse(text))).toEqual([])
})
