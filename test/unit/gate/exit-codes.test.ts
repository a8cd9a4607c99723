/** The exit code that a pipeline trusts, and the reports beside it, from real runs of tiny checks (design: verdicts). */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Report } from '../../../lib/types.ts'
import { type Tiny, type TinyOptions, type TinyRun, tiny } from './tiny.ts'

const failing = (code: string) => `must({ ok: false, code: '${code}', detail: 'seen', evidence: [] })`
const one = (name: string, body: string) => `check('${name}', once, async ({ must, warn, given }) => { ${body} })`

// each is a whole run of Vitest, a few at a time
vi.setConfig({ testTimeout: 120_000, maxConcurrency: 3 })

let project: Tiny
beforeAll(() => {
  project = tiny({
    'host/good': one('good', ''),
    'pod/a-good': one('good', ''),
    'pod/b-warn': one('warn', "warn({ ok: false, code: 'ICMP_FILTERED', detail: 'seen', evidence: [] })"),
    'pod/c-fail': one('fail', failing('UNREACHABLE')),
    'pod/d-unsure': one('unsure', failing('PROBE_INCONCLUSIVE')),
    'pod/e-na': one('na', "given({ state: 'absent', need: 'X', finding: 'not set' })"),
    'pod/f-crash': one('crash', "throw new TypeError('a bug')"),
    'pod/g-load': "throw new Error('cannot be loaded')",
    'pod/h-kill': one('kill', "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})"),
    'pod/i-segv': one('segv', "process.kill(process.pid, 'SIGSEGV'); await new Promise(() => {})"),
    'pod/j-slow': one('slow', 'await new Promise((resolve) => setTimeout(resolve, 30_000))'),
    'pod/k-good': one('good too', ''),
  })
})
afterAll(() => project?.remove())

/** Runs the files of these letters, in their order. */
const runOf = (letters: string, args: readonly string[] = [], options: TinyOptions = {}): Promise<TinyRun> =>
  project.run(['run', ...[...letters].map((letter) => `pod/${letter}-`), ...args], options)
const verdicts = (report: Report) => report.results.map(({ verdict }) => verdict).sort()
const errors = (report: Report) => report.errors.map(({ code }) => code)

/** What holds of every run that came to its end. */
function expectSame({ exitCode, report, reports }: TinyRun, code: number): void {
  expect({ exitCode, inReport: report.exitCode }).toEqual({ exitCode: code, inReport: code })
  expect(reports.toSorted()).toEqual([
    'junit-n1.xml',
    'metrics-n1.prom',
    'report-n1.html',
    'report-n1.json',
    'report-n1.md',
  ])
  expect(report.verdict === 'pass' || report.verdict === 'warn').toBe(code === 0)
}

describe.concurrent('exit code', () => {
  it.each([
    ['a', 0, ['pass']],
    ['ab', 0, ['pass', 'warn']],
    ['ae', 0, ['not-applicable', 'pass']],
    ['ac', 1, ['fail', 'pass']],
    ['abcdef', 1, ['fail', 'inconclusive', 'inconclusive', 'not-applicable', 'pass', 'warn']],
    ['ad', 2, ['inconclusive', 'pass']],
    ['af', 2, ['inconclusive', 'pass']],
    ['e', 2, ['not-applicable']],
  ] as const)('of %s is %i', async (letters, code, expected) => {
    const run = await runOf(letters)
    expect(verdicts(run.report)).toEqual([...expected])
    expectSame(run, code)
    expect(run.report.state).toBe('complete')
  })

  it('a warning fails under STRICT', async () => {
    const run = await runOf('ab', [], { env: { STRICT: '1' } })
    expectSame(run, 1)
    expect(verdicts(run.report)).toEqual(['fail', 'pass'])
  })

  it.each([
    ['a', 0],
    ['ac', 1],
    ['ad', 2],
  ] as const)('--reporter=dot cannot remove the gate: %s is %i', async (letters, code) => {
    expectSame(await runOf(letters, ['--reporter=dot']), code)
  })
})

describe.concurrent('a run that breaks', () => {
  it.each([
    ['h', 'SIGKILL'],
    ['i', 'SIGSEGV'],
  ])('a worker that dies of %s (%s): what it took along is inconclusive, what was known stands', async (letter) => {
    const run = await runOf(`a${letter}k`)
    expectSame(run, 2)
    expect(run.report.results.find(({ name }) => name === 'good, from the pod')?.verdict).toBe('pass')
    const files = run.report.errors.map(({ file }) => file?.slice(11, 12))
    expect(errors(run.report)).toEqual(['WORKER_DIED', 'WORKER_DIED'])
    expect(files).toEqual([letter, 'k'])
    expect(run.report.errors[1]?.message).toMatch(new RegExp(`not asked: the worker died in checks/pod/${letter}-`))
  })

  it('a failure before the worker died is still a failure', async () => {
    expectSame(await runOf('ch'), 1)
  })

  it('a file that cannot be loaded', async () => {
    const run = await runOf('ag')
    expectSame(run, 2)
    expect(run.report.errors).toEqual([
      { code: 'CHECK_CRASHED', message: 'cannot be loaded', file: 'checks/pod/g-load.test.ts' },
    ])
  })

  it.each([
    ['no file matches', ['run', 'nosuch']],
    ['no name matches', ['run', 'pod/a-', '-t', 'nosuch']],
  ])('%s', async (_, args) => {
    const run = await project.run(args)
    expectSame(run, 2)
    expect(errors(run.report)).toEqual(['NOTHING_RAN'])
  })

  it('the set-up throws', async () => {
    const run = await runOf('a', [], { env: { STUB: 'throws' } })
    expectSame(run, 2)
    expect(run.report.errors.length).toBeGreaterThan(0)
    expect(run.report.results).toEqual([])
  })

  it('SIGTERM in the middle: partial reports, which say so', async () => {
    const during: TinyOptions['during'] = async (child, output) => {
      for (let tries = 0; !output().includes('good, from the pod') && tries < 400; tries++) await sleep(50)
      child.kill('SIGTERM')
    }
    const run = await runOf('aj', [], { during })
    expectSame(run, 2)
    expect(run.report).toMatchObject({ state: 'incomplete', finished: null })
    expect(errors(run.report)).toContain('RUN_INTERRUPTED')
    expect(verdicts(run.report)).toContain('pass')
    expect(run.output).not.toMatch(/PASS/)
  })
})
