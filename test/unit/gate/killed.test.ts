/** Killed at any moment: what is on disk then is whole, valid, and says that something is missing. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { xml2js } from 'xml-js'
import { violations } from '../report/schema.ts'
import { type Tiny, tiny } from './tiny.ts'

const SLOW = `check('question {n}', once, async ({ about }) => { await new Promise((done) => setTimeout(done, 30)) })`
const files = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [`pod/c${index}`, SLOW.replace('{n}', `${index}`)]),
)
const project: Tiny = tiny(files)
const scratch = mkdtempSync(join(tmpdir(), 'killed-'))
afterAll(() => {
  project.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** In the order of writing. */
const WRITTEN = ['junit-n1.xml', 'report-n1.html', 'report-n1.json', 'report-n1.md', 'metrics-n1.prom'] as const

/** Throws for a file that is not whole. `complete`: it does not say that something is missing. */
const LOOK: Readonly<Record<(typeof WRITTEN)[number], (text: string) => { complete: boolean }>> = {
  'junit-n1.xml': (text) => {
    xml2js(text)
    return { complete: !text.includes('RUN_INTERRUPTED') }
  },
  'report-n1.html': (text) => {
    if (!text.endsWith('</html>\n')) throw new Error('the page is cut off')
    return { complete: !text.includes('Incomplete:') }
  },
  'report-n1.json': (text) => {
    const report = JSON.parse(text)
    expect(violations(report)).toEqual([])
    return { complete: report.state === 'complete' }
  },
  'report-n1.md': (text) => {
    if (!text.endsWith('\n')) throw new Error('the Markdown is cut off')
    return { complete: !text.includes('RUN_INTERRUPTED') }
  },
  'metrics-n1.prom': (text) => {
    if (!/ \d+(?:\.\d+)?\n$/.test(text)) throw new Error('the metrics are cut off')
    return { complete: text.includes('k8snetlook_run_complete{node="n1"} 1') }
  },
}

/** `moment`: resolves when the run is to be killed; it sees what the run has printed. From its first file on: before that it has written nothing. */
async function killed(signal: NodeJS.Signals, name: string, moment: (printed: () => string) => Promise<void>) {
  const REPORTS_DIR = join(scratch, name)
  let printed = () => ''
  await project
    .run(['run'], {
      env: { REPORTS_DIR },
      during: async (child, output) => {
        printed = output
        await until(() => readDirectory(REPORTS_DIR).length > 0)
        await moment(output)
        child.kill(signal)
      },
    })
    // the runner reads a report of its own at the end, which a run that was killed early has not written
    .catch((error: NodeJS.ErrnoException) => expect(error.code).toBe('ENOENT'))
  const left = WRITTEN.filter((file) => readDirectory(REPORTS_DIR).includes(file))
  const complete = left.map((file) => LOOK[file](readFileSync(join(REPORTS_DIR, file), 'utf8')).complete)
  // the signal may come when all is said, even while the process ends
  const ended = printed().includes('PASS, exit code 0')
  if (signal === 'SIGTERM') expect(`${left} ${complete}`).toBe(`${WRITTEN} ${WRITTEN.map(() => ended)}`)
  // killed while the last of them were replaced: one that says it is whole stands before those that do not
  expect(complete).toEqual(complete.toSorted((a, b) => Number(b) - Number(a)))
  if (complete[0]) expect(readFileSync(join(REPORTS_DIR, WRITTEN[0]), 'utf8')).toContain('question 11')
}

async function until(so: () => boolean): Promise<void> {
  for (let tries = 0; !so() && tries < 2000; tries++) await sleep(10)
}

function readDirectory(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

describe('every file is whole and says what is missing', () => {
  const points = Array.from({ length: 50 }, () => Math.round(Math.random() * 2000))
  it(`SIGKILL after ${points.join(', ')} ms`, { timeout: 600_000 }, async () => {
    for (let first = 0; first < points.length; first += 4) {
      const some = points.slice(first, first + 4)
      await Promise.all(some.map((ms, index) => killed('SIGKILL', `kill-${first + index}`, () => sleep(ms))))
    }
    const all = readDirectory(scratch).flatMap((run) => readDirectory(join(scratch, run)))
    // a test that never met a report would watch nothing
    expect(all.filter((file) => file === 'report-n1.json').length).toBeGreaterThan(points.length / 2)
  })

  it.each<[string, (printed: () => string) => Promise<void>]>([
    ['before an answer', () => sleep(50)],
    ['between the answers', (printed) => until(() => printed().includes('question'))],
    ['about the end', (printed) => until(() => printed().includes('exit code'))],
  ])('SIGTERM %s', { timeout: 60_000 }, (when, moment) => killed('SIGTERM', when.replaceAll(' ', '-'), moment))
})
