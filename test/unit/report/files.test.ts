import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pathsOf, removeReports, writeReports } from '../../../lib/report/files.ts'
import { settled } from '../../../lib/report/model.ts'
import { everything, report } from './sample.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rp-files-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('writes its files into a directory that it makes, and nothing else', () => {
  const target = join(dir, 'a', 'b')
  expect(writeReports(target, report(everything))).toEqual({ ok: true, value: pathsOf(target, 'n1'), evidence: [] })
  expect(readdirSync(target)).toEqual([
    'junit-n1.xml',
    'metrics-n1.prom',
    'report-n1.html',
    'report-n1.json',
    'report-n1.md',
  ])
  const data = JSON.parse(readFileSync(join(target, 'report-n1.json'), 'utf8'))
  expect(data).toEqual(settled(report(everything)))
  expect(data.schema).toBe(1)
})

test.each([
  ['gitlab', true],
  ['jenkins', true],
  ['github', false],
] as const)('in %s a failed case names the page as its attachment: %s', (kind, expected) => {
  writeReports(join(dir, 'out'), report(everything), { pipeline: { kind, root: dir, summary: null } })
  const junit = readFileSync(join(dir, 'out', 'junit-n1.xml'), 'utf8')
  expect(junit.includes('[[ATTACHMENT|out/report-n1.html]]')).toBe(expected)
})

test('replaces a file rather than writing into it, so that a reader of the old one keeps it whole', () => {
  writeReports(dir, report(everything))
  const [junit = ''] = pathsOf(dir, 'n1')
  const before = statSync(junit).ino
  writeReports(dir, report([]))
  expect(statSync(junit).ino).not.toBe(before)
})

test('a link that lies in wait under the temporary name is not followed', () => {
  const prey = join(dir, 'prey')
  writeFileSync(prey, 'mine')
  for (const path of pathsOf(dir, 'n1')) symlinkSync(prey, join(dir, `.${basename(path)}.tmp`))
  expect(writeReports(dir, report(everything)).ok).toBe(true)
  expect(readFileSync(prey, 'utf8')).toBe('mine')
})

test.each([
  ['../../etc/x', 'junit-.._.._etc_x.xml'],
  ['n1.example', 'junit-n1.example.xml'],
  ['', 'junit-node.xml'],
])('the node name %j makes the file name %s', (node, name) => {
  expect(pathsOf('/r', node)[0]).toBe(`/r/${name}`)
})

test('a directory that cannot be is one sentence, not an exception', () => {
  const file = join(dir, 'file')
  writeFileSync(file, '')
  expect(writeReports(join(file, 'sub'), report([]))).toEqual({
    ok: false,
    code: 'REPORTS_UNWRITABLE',
    detail: `the reports cannot be written to ${join(file, 'sub')}: a part of the path is not a directory; set REPORTS_DIR to a directory that can be written`,
    evidence: [],
  })
})

test('where one cannot be written the others are, and one of an earlier run does not stay in its place', () => {
  writeReports(dir, report(everything, { runId: 'earlier' }))
  const [junit = '', page = '', json = ''] = pathsOf(dir, 'n1')
  for (const path of [junit, page, json]) utimesSync(path, new Date(0), new Date(0))
  // a directory in the place of the half-written file: it cannot be replaced
  mkdirSync(join(dir, `.${basename(page)}.tmp`))
  const started = new Date().toISOString()
  expect(writeReports(dir, report(everything, { runId: 'this', started }))).toMatchObject({
    code: 'REPORTS_UNWRITABLE',
  })
  expect(readdirSync(dir)).not.toContain('report-n1.html')
  expect(JSON.parse(readFileSync(json, 'utf8')).runId).toBe('this')
})

test('removes the reports of one node only', () => {
  writeReports(dir, report([]))
  writeReports(dir, report([], { node: 'n2' }))
  removeReports(dir, 'n1')
  expect(readdirSync(dir)).toEqual([
    'junit-n2.xml',
    'metrics-n2.prom',
    'report-n2.html',
    'report-n2.json',
    'report-n2.md',
  ])
  removeReports(join(dir, 'absent'), 'n1')
})
