/** A reports directory that fills up in the middle of a run, or is another user's: the terminal still tells the result, exit code 2. */
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { xml2js } from 'xml-js'
import { run } from '../bed/namespace.ts'
import { violations } from '../unit/report/schema.ts'
import { type Lab, startLab } from './lab.ts'
import { kubeconfig } from './lab-api.ts'
import { type ProductRun, runProduct } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbf' })
})
afterAll(() => lab?.stop())

/** Every check has its line, the last words are the verdict, and what is wrong with the directory is one sentence. */
function expectTold({ exitCode, stdout, stderr }: ProductRun, reason: RegExp): void {
  expect(exitCode).toBe(2)
  const text = stdout.replace(/\s+/g, ' ')
  expect(text).toMatch(reason)
  expect(text).toMatch(/set REPORTS_DIR to a directory that can be written/)
  expect(stdout).toMatch(/^pass +the pod's own default gateway answers over IPv4, from the pod/m)
  expect(stdout).toMatch(/exit code 2/)
  expect(stdout + stderr).not.toMatch(/^\s+at |node_modules/m)
}

it('the file system fills up while checks run: what is there is whole, and says that something is missing', async () => {
  const dir = mkdtempSync(join(lab.dir, 'full-'))
  run('mount', ['-t', 'tmpfs', '-o', 'size=96k', 'full', dir])
  try {
    const ended = await runProduct(lab, { env: { REPORTS_DIR: dir } })
    expectTold(ended, /the reports cannot be written to \S+: no space is left on the device/)
    const left = readdirSync(dir).filter((name) => !name.startsWith('.'))
    // the first writing, before anything was asked, has room
    expect(left).toContain('report-n1.json')
    const text = (name: string) => readFileSync(join(dir, name), 'utf8')
    const report = JSON.parse(text('report-n1.json'))
    expect(violations(report)).toEqual([])
    expect(report).toMatchObject({ state: 'incomplete', verdict: 'inconclusive', exitCode: 2 })
    xml2js(text('junit-n1.xml'))
    expect(text('junit-n1.xml')).toMatch(/RUN_INTERRUPTED|REPORTS_UNWRITABLE/)
    expect(text('report-n1.html')).toMatch(/Incomplete:[\s\S]*<\/html>\n$/)
  } finally {
    run('umount', [dir])
  }
})

it("the directory is another user's", async () => {
  const readable = lab.writeKubeconfig('other', kubeconfig(lab.pki, lab.plan))
  chownSync(readable, 65534, 65534)
  const dir = mkdtempSync(join(lab.dir, 'other-'))
  chmodSync(dir, 0o755)
  writeFileSync(join(dir, 'report-n1.json'), '{"verdict": "pass"}')
  // everything but what writing needs
  const wrapper = ['setpriv', '--bounding-set=-dac_override,-fowner,-chown', '--inh-caps=-dac_override,-fowner,-chown']
  chownSync(dir, 65534, 65534)
  const ended = await runProduct(lab, { env: { REPORTS_DIR: dir }, wrapper })
  expectTold(ended, /the reports cannot be written to \S+: permission denied/)
  expect(readFileSync(join(dir, 'report-n1.json'), 'utf8')).toBe('{"verdict": "pass"}')
})
