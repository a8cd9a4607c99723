/** PRINT_REPORTS: what a log holds when the run has ended, however it ended, from real runs of tiny checks. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { xml2js } from 'xml-js'
import { type PrintedReport, unprinted } from '../../../lib/report/printed.ts'
import { type Tiny, type TinyRun, tiny } from './tiny.ts'

// each is a whole run of Vitest, a few at a time
vi.setConfig({ testTimeout: 120_000, maxConcurrency: 3 })

/** More than a pipe holds (64 KiB), also when it is packed. */
const NOISE = `Array.from({ length: 200 }, (_, i) => ({ kind: 'scalar', name: 'n' + i, value: Array.from({ length: 30 }, () => Math.random()).join(' ') }))`
const ALL = 'junit,packed,markdown,json'
const NAMES = ['junit-n1.xml', 'report-n1.json', 'report-n1.md', 'report-n1.json']

const scratch = mkdtempSync(join(tmpdir(), 'printed-'))
let project: Tiny
beforeAll(() => {
  project = tiny({
    'pod/a-good': "check('good', once, async () => {})",
    'pod/b-noise': `check('noise', once, async ({ must }) => must({ ok: false, code: 'UNREACHABLE', detail: 'seen', evidence: ${NOISE} }))`,
    'pod/c-slow': "check('slow', once, async () => { await new Promise((done) => setTimeout(done, 30_000)) })",
  })
})
afterAll(() => {
  project?.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const textOf = (found: readonly PrintedReport[], name: string, which = 0) =>
  found.filter((report) => report.name === name)[which]?.text ?? ''

/** Every report is whole, and says what the files say. */
function expectWhole({ output, reportsDir }: TinyRun): readonly PrintedReport[] {
  const found = unprinted(output)
  expect(found.map(({ name }) => name)).toEqual(NAMES)
  const file = (name: string) => readFileSync(join(reportsDir, name), 'utf8')
  expect(textOf(found, 'report-n1.json', 0)).toBe(file('report-n1.json'))
  expect(textOf(found, 'report-n1.json', 1)).toBe(file('report-n1.json'))
  expect(textOf(found, 'report-n1.md')).toBe(file('report-n1.md'))
  expect(xml2js(textOf(found, 'junit-n1.xml'))).toEqual(xml2js(file('junit-n1.xml')))
  return found
}

/** Reads nothing for a while from the time that `when` is printed on. */
const slowReader =
  (when: string, then: (child: ChildProcess) => void) => async (child: ChildProcess, output: () => string) => {
    while (!output().includes(when)) await sleep(20)
    child.stdout?.pause()
    then(child)
    await sleep(1500)
    child.stdout?.resume()
  }

describe.concurrent('PRINT_REPORTS', () => {
  it('what it names, in that order, before the summary', async () => {
    const run = await project.run(['run', 'pod/a-', 'pod/b-'], { env: { PRINT_REPORTS: ALL } })
    expect(run.exitCode).toBe(1)
    expectWhole(run)
    expect(run.output.lastIndexOf('-----END')).toBeLessThan(run.output.lastIndexOf('UNREACHABLE'))
  })

  it('a run that is ended by SIGTERM prints what it knew, also to a reader that is slow', async () => {
    const run = await project.run(['run', 'pod/b-', 'pod/c-'], {
      env: { PRINT_REPORTS: ALL },
      during: slowReader('noise', (child) => child.kill('SIGTERM')),
    })
    expect(run.exitCode).toBe(1)
    const found = expectWhole(run)
    expect(JSON.parse(textOf(found, 'report-n1.json')).state).toBe('incomplete')
    expect(run.output).toContain('RUN_INTERRUPTED')
  })

  it('a set-up that dies prints that', async () => {
    const run = await project.run(['run', 'pod/a-'], { env: { PRINT_REPORTS: ALL, STUB: 'throws' } })
    expect(run.exitCode).toBe(2)
    expect(JSON.parse(textOf(expectWhole(run), 'report-n1.json'))).toMatchObject({ exitCode: 2, results: [] })
  })

  it('beside another reporter, and under REDACT=1: the name of the node is in none of them', async () => {
    const run = await project.run(['run', 'pod/a-', '--reporter=dot'], { env: { PRINT_REPORTS: ALL, REDACT: '1' } })
    const found = unprinted(run.output)
    expect(found.map(({ name }) => name)).toEqual(
      NAMES.map((name) => name.replace('n1', found[0]?.name.slice(6, -4) ?? '')),
    )
    expect(found[0]?.name).toMatch(/^junit-node-[0-9a-f]{8}\.xml$/)
    for (const { text } of found) expect(text).not.toMatch(/\bn1\b/)
  })

  it('a report that cannot be written is in the log all the same', async () => {
    // a directory in the place of the half-written file
    mkdirSync(join(scratch, '.junit-n1.xml.tmp'))
    const { output, reports } = await project.run(['run', 'pod/a-'], {
      env: { PRINT_REPORTS: 'junit', REPORTS_DIR: scratch },
    })
    expect(reports).not.toContain('junit-n1.xml')
    expect(textOf(unprinted(output), 'junit-n1.xml')).toContain('REPORTS_UNWRITABLE')
  })
})
