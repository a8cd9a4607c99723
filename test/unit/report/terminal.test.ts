import { describe, expect, test } from 'vitest'
import { checkLine, summary } from '../../../lib/report/terminal.ts'
import { everything, HOSTILE, paths as measured, report, result } from './sample.ts'

const paths = ['reports/junit-n1.xml', 'reports/report-n1.html', 'reports/report-n1.json']
const text = summary(report(everything), paths, false)

describe('a line a check', () => {
  test.each([
    ['pass', 'pass          x over IPv4, from the pod  all well'],
    ['warn', 'WARN          x over IPv4, from the pod  PACKET_LOSS: all well'],
    ['fail', 'FAIL          x over IPv4, from the pod  PACKET_LOSS: all well'],
    ['inconclusive', 'inconclusive  x over IPv4, from the pod  PACKET_LOSS: all well'],
    ['not-applicable', 'n/a           x over IPv4, from the pod  all well'],
  ] as const)('%s', (verdict, line) => {
    const coded = verdict === 'pass' || verdict === 'not-applicable' ? {} : { code: 'PACKET_LOSS' }
    expect(
      checkLine(result('checks/pod/x.test.ts', 'x', { verdict, family: 4, seen: 'all well', ...coded }), false),
    ).toBe(line)
  })

  test('stays one line, whatever was seen', () => {
    const line = checkLine(
      result('checks/pod/x.test.ts', HOSTILE, { verdict: 'fail', seen: `a\nb\n${HOSTILE.repeat(9)}` }),
      false,
    )
    expect(line).not.toMatch(/[^\P{Cc}]|\u202e/u)
    expect(line.length).toBeLessThan(700)
  })

  test('tells the time only when it took long', () => {
    const slow = { ...result('checks/pod/x.test.ts', 'x', { verdict: 'pass' }), seconds: 2.345 }
    expect(checkLine(slow, false)).toMatch(/ {2}\(2\.3 s\)$/)
  })
})

describe('the end of a run', () => {
  test('each failure has code, check, what was seen, what it means and what to do', () => {
    expect(text).toContain(
      [
        'FAIL PATH_MTU_BLACK_HOLE',
        '    - the path to a pod on another node carries full-size packets over IPv4, from the pod',
        '    seen:    1400 bytes arrive; 1401 to 1450 bytes vanish, and no router says so',
        '    means:   Small packets arrive',
      ].join('\n'),
    )
    expect(text).toMatch(/\n {4}do: {6}Set the pod network's MTU/)
  })

  test('one missing fact is told once, with the checks that it blocks', () => {
    expect(text.match(/may not list endpointslices/g)).toHaveLength(1)
    const [seen, todo, name] = ['seen:    the account', 'do:      Grant', '- the service answers'].map((part) =>
      text.indexOf(part),
    )
    expect([seen, todo, name]).toEqual([seen, todo, name].toSorted((a = 0, b = 0) => a - b))
    expect(seen).toBeGreaterThan(0)
  })

  test('counts, paths and verdict come last', () => {
    expect(text.split('\n').slice(-6)).toEqual([
      '    counts:  2 failed, 1 warning, 2 inconclusive, 4 passed, 2 not applicable',
      '    reports: reports/junit-n1.xml',
      '             reports/report-n1.html',
      '             reports/report-n1.json',
      '',
      'FAIL, exit code 1: 2 checks failed: PATH_MTU_BLACK_HOLE, UNREACHABLE.',
    ])
  })

  test('a healthy run is short', () => {
    const healthy = summary(report([result('checks/host/x.test.ts', 'x', { verdict: 'pass' })]), [], false)
    expect(healthy.split('\n').at(-1)).toBe('PASS, exit code 0: Every question that applies was answered well.')
    expect(healthy.split('\n').length).toBeLessThan(6)
  })

  test('an incomplete run is inconclusive and says so', () => {
    const unfinished = summary(
      report([result('checks/host/x.test.ts', 'x', { verdict: 'pass' })], { state: 'incomplete', finished: null }),
      [],
      false,
    )
    expect(unfinished).toContain('INCONCLUSIVE, exit code 2: No verdict. The run is incomplete')
    expect(unfinished).toContain('RUN_INTERRUPTED')
  })

  test('what many files met is said once', () => {
    const errors = ['same', 'same', 'other'].map((message) => ({ code: 'CHECK_CRASHED', message }))
    const shown = summary(report([], { errors }), [], false)
    expect(shown.match(/seen: .*/g)).toEqual(['seen:    same (in 2 files)', 'seen:    other'])
  })

  test('forty checks of one cause are counted, not listed', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      result(`checks/pod/c${10 + i}.test.ts`, `q${10 + i}`, { verdict: 'fail', code: 'UNREACHABLE', seen: 'lost' }),
    )
    expect(summary(report(many), [], false)).toContain('    - and 28 more')
  })
})

describe('measured paths', () => {
  const lines = (results: Parameters<typeof report>[0]) => summary(report(results), [], false).split('\n')

  test('are a table of one row each', () => {
    const table = lines(measured)
    const start = table.indexOf('Path MTU, bytes')
    expect(table.slice(start, start + 8)).toEqual([
      'Path MTU, bytes',
      '    path                               family  promised  measured  signalled by  verdict',
      '    the node -> the external address   IPv4        1500  unknown   -             inconclusive',
      '    the pod -> a pod on another node   IPv4        1450      1400  nobody        FAIL',
      '    the pod -> a pod on another node   IPv6        1450      1280  see below     WARN',
      '      signalled by 2001:db8:1234:5678:9abc:def0:1234:5678',
      '    the pod -> a pod on the same node  IPv4        1450      1450  -             pass',
      '',
    ])
  })

  test('are not mentioned when there are none', () => {
    expect(text).not.toContain('Path MTU, bytes')
  })

  test('stay within 100 columns and harmless, whatever they are called', () => {
    const mtu = { promised: 1500, measured: 1400, signalledBy: HOSTILE }
    const foreign = ['pass', 'inconclusive'].map((verdict) =>
      result('checks/pod/x.test.ts', `${HOSTILE} ${'a'.repeat(150)}`, {
        verdict: verdict as 'pass',
        family: 6,
        evidence: [{ kind: 'path', name: HOSTILE, hops: [{ name: HOSTILE }], mtu }],
      }),
    )
    const table = lines([...measured, ...foreign])
    const shown = table.slice(table.indexOf('Path MTU, bytes'))
    expect(shown.filter((line) => line.length > 100)).toEqual([])
    expect(shown.join('\n')).not.toMatch(/[^\P{Cc}\n]|\u202e|abc\.def-123456789012345/u)
  })

  test('take colour on the verdict alone', () => {
    expect(summary(report(measured), [], true)).toContain('nobody        \u001b[31;1mFAIL\u001b[0m\n')
  })
})

describe('colour', () => {
  test('none unless asked', () => {
    expect(text).not.toContain('\u001b')
  })

  test('changes nothing but colour', () => {
    const coloured = summary(report(everything), paths, true)
    expect(coloured).toContain('\u001b[31;1mFAIL PATH_MTU_BLACK_HOLE\u001b[0m')
    expect(
      coloured
        .split('\u001b')
        .map((part, i) => (i === 0 ? part : part.replace(/^\[[\d;]*m/, '')))
        .join(''),
    ).toBe(text)
  })
})

test('lines stay within 100 columns, but for a word that is longer', () => {
  const long = `https://192.0.2.1/${'a'.repeat(150)}`
  const lines = summary(
    report([result('checks/pod/x.test.ts', 'x', { verdict: 'fail', code: 'UNREACHABLE', seen: `at ${long} nothing` })]),
    [],
    false,
  ).split('\n')
  expect(lines.filter((line) => line.length > 100)).toEqual([`             ${long}`])
})
