import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { toJson } from '../../../lib/report/json.ts'
import { main } from '../../../lib/report/merge.ts'
import { everything, report } from './sample.ts'

let dir: string
let said: string[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rp-merge-'))
  said = []
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      said.push(String(text))
      return true
    })
  }
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(dir, { recursive: true, force: true })
})

const written = (node: string, file = `report-${node}.json`): string => {
  const path = join(dir, file)
  writeFileSync(path, toJson(report(everything, { node })))
  return path
}
const names = (xml: string) => [...xml.matchAll(/<testcase classname="([^"]*)"/g)].map(([, name]) => name ?? '')

test('two nodes become one file beside the first report, nodes in order, every case kept', () => {
  expect(main([written('n2'), written('n1')])).toBe(0)
  const xml = readFileSync(join(dir, 'junit-merged.xml'), 'utf8')
  expect(names(xml)).toHaveLength(2 * (everything.length + 1))
  expect(names(xml)[0]).toMatch(/^k8snetlook\.n1\.node\./)
  expect(said.join('')).toBe(`${join(dir, 'junit-merged.xml')}: 22 checks of 2 reports\n`)
})

test('two reports of one node are told apart', () => {
  expect(main([written('n1'), written('n1', 'report-other.json')])).toBe(0)
  const classes = new Set(names(readFileSync(join(dir, 'junit-merged.xml'), 'utf8')))
  expect(classes).toContain('k8snetlook.n1.pod.gateway')
  expect(classes).toContain('k8snetlook.n1 (2).pod.gateway')
})

test.each([
  ['as a user runs it', {}],
  ['with a root file system that cannot be written, as in the image', { TMPDIR: '/proc/nowhere' }],
])('%s', { timeout: 30_000 }, (_, env) => {
  const command = fileURLToPath(new URL('../../../bin/merge.mjs', import.meta.url))
  const [input, output] = [written('n1'), join(dir, 'all.xml')]
  const given = { ...process.env, REPORTS_DIR: join(dir, 'reports'), ...env }
  execFileSync(process.execPath, [command, '--output', output, input], { env: given })
  expect(names(readFileSync(output, 'utf8'))).toHaveLength(everything.length + 1)
  const left = readdirSync(dir, { recursive: true }).map(String)
  expect(left.filter((name) => name.includes('.tmp'))).toEqual([])
})

test.each([
  ['no report is named', () => [], /^usage: npm run merge/],
  ['an unknown option', () => ['--nodes', '3'], /^usage/],
  ['a file that is not there', () => [join(dir, 'x.json')], /x\.json cannot be read: it does not exist; nothing/],
  ['a file that is cut off', () => [cut()], /cut\.json cannot be read: it is not JSON; nothing was written/],
  ['a file of another kind', () => [other()], /other\.json is no report of k8snetlook, schema 1/],
  ['a place that is not there', () => ['--output', join(dir, 'a', 'b.xml'), written('n1')], /b\.xml cannot be written/],
])('%s: one sentence, exit code 2, nothing written', (_, args, sentence) => {
  expect(main(args())).toBe(2)
  expect(said.join('')).toMatch(sentence)
  expect(existsSync(join(dir, 'junit-merged.xml'))).toBe(false)
  expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([])
})

const cut = () => {
  writeFileSync(join(dir, 'cut.json'), '{"schema": 1, "tool"')
  return join(dir, 'cut.json')
}
const other = () => {
  writeFileSync(join(dir, 'other.json'), '{"name": "x"}')
  return join(dir, 'other.json')
}
