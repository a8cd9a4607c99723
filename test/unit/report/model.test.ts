import { describe, expect, test } from 'vitest'
import {
  baseName,
  countsLine,
  headline,
  inOrder,
  namesOf,
  problemsOf,
  runProblems,
  settled,
  verdictOf,
} from '../../../lib/report/model.ts'
import type { Verdict } from '../../../lib/types.ts'
import { everything, report, result } from './sample.ts'

const results = (...verdicts: Verdict[]) =>
  verdicts.map((verdict, index) => result(`checks/host/c${index}.test.ts`, `question ${index}`, { verdict }))
const error = { code: 'WORKER_DIED', message: 'the worker died' }

describe('the verdict of a run: the first that holds', () => {
  test.each([
    { run: results('pass', 'not-applicable'), errors: [], verdict: 'pass', exitCode: 0 },
    { run: results('pass', 'warn'), errors: [], verdict: 'warn', exitCode: 0 },
    { run: results('pass', 'inconclusive', 'warn'), errors: [], verdict: 'inconclusive', exitCode: 2 },
    { run: results('pass'), errors: [error], verdict: 'inconclusive', exitCode: 2 },
    { run: results('not-applicable', 'not-applicable'), errors: [], verdict: 'inconclusive', exitCode: 2 },
    { run: [], errors: [], verdict: 'inconclusive', exitCode: 2 },
    { run: results('inconclusive', 'fail', 'pass'), errors: [error], verdict: 'fail', exitCode: 1 },
  ] as const)('$verdict, exit code $exitCode', ({ run, errors, verdict, exitCode }) => {
    expect(verdictOf(run, errors)).toEqual({ verdict, exitCode })
  })
})

describe('a report as it is shown', () => {
  test('an unfinished run is never green, whatever the report claims', () => {
    const shown = settled(
      report(results('pass'), { state: 'incomplete', finished: null, verdict: 'pass', exitCode: 0 }),
    )
    expect(shown).toMatchObject({ verdict: 'inconclusive', exitCode: 2 })
    expect(headline(shown)).toContain('incomplete')
  })

  test('an unfinished run with a failure stays a failure', () => {
    const shown = settled(report(results('fail'), { state: 'incomplete', finished: null }))
    expect(shown).toMatchObject({ verdict: 'fail', exitCode: 1 })
  })

  test('a finished run that asked nothing says so', () => {
    const shown = settled(report(results('not-applicable')))
    expect(runProblems(shown).map(({ code }) => code)).toEqual(['NOTHING_RAN'])
    expect(headline(shown)).toContain('nothing was asked')
  })

  test('a finished run in order has no problems', () => {
    expect(runProblems(report(results('pass')))).toEqual([])
  })
})

test('host checks come first, the preflight before the others, then by file and name', () => {
  const files = inOrder(everything).map(({ file, family }) => `${file.slice(7, -8)}${family ?? ''}`)
  expect(files).toEqual([
    'host/preflight',
    'host/api-server4',
    'host/gateway4',
    'pod/endpoints-tcp4',
    'pod/external-ping4',
    'pod/external-ping6',
    'pod/gateway4',
    'pod/path-mtu4',
    'pod/path-mtu6',
    'pod/service4',
    'pod/service6',
  ])
})

test('checks that one missing fact blocks are one problem, with that reason once', () => {
  const problems = problemsOf(everything, 'inconclusive')
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatchObject({ code: 'API_FORBIDDEN', seen: expect.stringContaining('may not list') })
  expect(problems[0]?.results).toHaveLength(2)
  expect(problems[0]?.remedy).toContain('kubectl auth can-i list endpointslices')
})

test('failures of one code are one problem, each with what it saw, and the root comes first', () => {
  const fail = (file: string, code: string, seen: string) => result(file, 'question', { verdict: 'fail', code, seen })
  const problems = problemsOf(
    [
      fail('checks/pod/b.test.ts', 'UNREACHABLE', 'b lost'),
      fail('checks/pod/a.test.ts', 'UNREACHABLE', 'a lost'),
      fail('checks/pod/c.test.ts', 'GATEWAY_UNRESOLVED', 'no answer'),
    ],
    'fail',
  )
  expect(problems.map(({ code, seen }) => [code, seen])).toEqual([
    ['GATEWAY_UNRESOLVED', 'no answer'],
    ['UNREACHABLE', null],
  ])
  expect(problems[1]?.results.map(({ seen }) => seen)).toEqual(['a lost', 'b lost'])
})

test('the counts name only verdicts that occur', () => {
  expect(countsLine(everything)).toBe('2 failed, 1 warning, 2 inconclusive, 4 passed, 2 not applicable')
  expect(countsLine([])).toBe('no check gave an answer')
})

test('a check is called after its file', () => {
  expect(baseName('checks/pod/dns-service.test.ts')).toBe('dns-service')
  expect(baseName('')).toBe('unknown')
})

test('one reason is one problem though only some of its checks know a better remedy', () => {
  const blocked = { verdict: 'inconclusive', code: 'POD_NOT_FOUND', seen: 'there is no such pod' } as const
  const problems = problemsOf(
    [
      result('checks/pod/preflight.test.ts', 'a', blocked),
      result('checks/pod/b.test.ts', 'b', { ...blocked, hint: 'Set SRC_POD to shop/bbox.' }),
    ],
    'inconclusive',
  )
  expect(problems).toHaveLength(1)
  expect(problems[0]?.remedy).toBe('Set SRC_POD to shop/bbox.')
})

test('a check that is listed for both families is named once', () => {
  const of = (question: string, family?: 4 | 6) =>
    result('checks/pod/x.test.ts', question, { verdict: 'pass', ...(family ? { family } : {}) })
  expect(namesOf([of('a', 4), of('a', 6), of('b', 6), of('c')])).toEqual([
    'a over IPv4 and IPv6, from the pod',
    'b over IPv6, from the pod',
    'c, from the pod',
  ])
})
