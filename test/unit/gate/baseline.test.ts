/** The gate after an upgrade, by the real Vitest with the product's configuration: runs before and after, and what each exits with. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Change, Report } from '../../../lib/types.ts'
import { type Tiny, type TinyRun, tiny } from './tiny.ts'

/** Checks that fail where the test says so; the files are named as checks of the product are, so that they can be waived. */
const body = (name: string) => `check('${name} is well', once, async ({ must }) => {
  const broken = (process.env.BROKEN ?? '').split(',').includes('${name}')
  const mtu = { promised: 1500, measured: Number(process.env.MTU ?? 1500), signalledBy: null }
  const evidence = [{ kind: 'path', name: 'path', hops: [], mtu }]
  must(broken ? { ok: false, code: 'UNREACHABLE', detail: 'no answer', evidence: [] } : { ok: true, value: 1, evidence })
})`

// each is a whole run of Vitest, a few at a time
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000, maxConcurrency: 3 })

let project: Tiny
/** A run in which nothing failed, and one in which the gateway did. */
let sound: string
let broken: string
const run = (broken: string, env: Readonly<Record<string, string>> = {}) =>
  project.run(['run'], { env: { BROKEN: broken, ...env } })
const pathOf = ({ reportsDir }: TinyRun) => join(reportsDir, 'report-n1.json')

beforeAll(async () => {
  project = tiny({ 'pod/gateway': body('gateway'), 'pod/link': body('link') })
  const runs = [await run(''), await run('gateway')] as const
  expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 1])
  ;[sound, broken] = [pathOf(runs[0]), pathOf(runs[1])]
}, 120_000)
afterAll(() => project?.remove())

const statuses = ({ comparison }: Report) =>
  Object.fromEntries(
    (comparison?.changes ?? []).map(({ name, status }): [string, Change['status']] => [
      name.split(' ')[0] ?? '',
      status,
    ]),
  )

describe.concurrent('the exit code beside a baseline', () => {
  it.each<
    [string, () => string, string, Readonly<Record<string, string>>, number, Readonly<Record<string, Change['status']>>]
  >([
    ['sound before and now', () => sound, '', { GATE: 'regressions' }, 0, {}],
    ['a new failure', () => sound, 'link', { GATE: 'regressions' }, 1, { link: 'new' }],
    ['a known failure', () => broken, 'gateway', { GATE: 'regressions' }, 0, { gateway: 'known' }],
    [
      'a known and a new one',
      () => broken,
      'gateway,link',
      { GATE: 'regressions' },
      1,
      { gateway: 'known', link: 'new' },
    ],
    ['a known failure without the gate', () => broken, 'gateway', {}, 1, { gateway: 'known' }],
    ['mended', () => broken, '', { GATE: 'regressions' }, 0, { gateway: 'fixed' }],
    ['a lower path MTU', () => sound, '', { GATE: 'regressions', MTU: '1400' }, 1, {}],
    ['a lower path MTU without the gate', () => sound, '', { MTU: '1400' }, 0, {}],
    ['several baselines', () => `${sound},${broken}`, 'gateway', { GATE: 'regressions' }, 0, { gateway: 'known' }],
  ])('%s', async (_, baseline, failing, env, exitCode, changes) => {
    const { report, output, exitCode: code } = await run(failing, { BASELINE: baseline(), ...env })
    expect(code).toBe(exitCode)
    expect(report.exitCode).toBe(exitCode)
    expect(statuses(report)).toEqual(changes)
    expect(report.comparison?.worse.map(({ code: what }) => what)).toEqual(
      'MTU' in env ? ['PATH_MTU_REDUCED', 'PATH_MTU_REDUCED'] : [],
    )
    expect(output).toContain('Beside earlier runs')
  })

  it('a baseline in the place of its own reports is read before it is replaced', async () => {
    const first = await run('gateway')
    const { exitCode, report } = await run('gateway', {
      ...{ REPORTS_DIR: first.reportsDir, BASELINE: first.reportsDir, GATE: 'regressions' },
    })
    expect(exitCode).toBe(0)
    expect(report.comparison?.baselines.map(({ runId }) => runId)).toEqual([first.report.runId])
  })

  it('a run that hides names, beside one that shows them, and the other way round', async () => {
    const hidden = await run('gateway', { REDACT: '1', BASELINE: broken, GATE: 'regressions' })
    expect(hidden.exitCode).toBe(0)
    expect(JSON.stringify(hidden.report)).not.toMatch(/"n1"|report-n1/)
    expect(statuses(hidden.report)).toEqual({ gateway: 'known' })
    const shown = await run('gateway', {
      BASELINE: join(hidden.reportsDir, `report-${hidden.report.node}.json`),
      GATE: 'regressions',
    })
    expect(shown.exitCode).toBe(0)
    expect(shown.report.comparison?.notes.filter((note) => /node|cluster/.test(note))).toEqual([])
  })

  it('SIGTERM: a partial run is never sound, whatever is known', async () => {
    const stuck = tiny({
      'pod/gateway': body('gateway'),
      'pod/link': `check('link is well', once, () => new Promise(() => setTimeout(() => {}, 60_000)))`,
    })
    try {
      const { exitCode, report } = await stuck.run(['run'], {
        env: { BROKEN: 'gateway', BASELINE: broken, GATE: 'regressions' },
        during: async (child, output) => {
          for (let tries = 0; !output().includes('gateway is well') && tries < 400; tries++) {
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
          child.kill('SIGTERM')
        },
      })
      expect(exitCode).toBe(2)
      expect(report.state).toBe('incomplete')
    } finally {
      stuck.remove()
    }
  })
})

describe.concurrent('waivers', () => {
  let files = 0
  const waivers = (expires: string, check = 'pod/gateway') => {
    const path = join(sound, '..', `known-${files++}.yaml`)
    writeFileSync(path, `- {check: ${check}, code: UNREACHABLE, reason: ticket 4711, expires: ${expires}}\n`)
    return path
  }

  it('a waived failure does not fail the run, and stays visible', async () => {
    const { exitCode, report, output } = await run('gateway', { KNOWN_ISSUES: waivers('2999-12-31') })
    expect(exitCode).toBe(0)
    expect(report.verdict).toBe('warn')
    expect(report.results.find(({ name }) => name.startsWith('gateway'))?.verdict).toBe('fail')
    expect(output).toMatch(/FAIL known {4}gateway is well/)
    expect(output.replace(/\s+/g, ' ')).toContain('waived until 2999-12-31, ticket 4711')
  })

  it('one that has run out fails the run, even where nothing is left to waive', async () => {
    const { exitCode, report } = await run('', { KNOWN_ISSUES: waivers('2020-01-01') })
    expect(exitCode).toBe(1)
    expect(report.errors).toMatchObject([{ code: 'WAIVER_EXPIRED' }])
  })

  it('an unused one is told and fails nothing', async () => {
    const { exitCode, report } = await run('', { KNOWN_ISSUES: waivers('2999-12-31') })
    expect(exitCode).toBe(0)
    expect(report.comparison?.notes).toEqual([expect.stringMatching(/^unused waiver of pod\/gateway UNREACHABLE/)])
  })

  it('waives what is new beside a baseline too', async () => {
    const env = { BASELINE: sound, GATE: 'regressions', KNOWN_ISSUES: waivers('2999-12-31') }
    expect((await run('gateway', env)).exitCode).toBe(0)
  })
})
