/** Directories that cannot be written to, as root meets them: a read-only and a full file system. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeReports } from '../../lib/report/files.ts'
import { run } from '../bed/namespace.ts'
import { everything, report } from '../unit/report/sample.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rp-fs-'))
})
afterEach(() => {
  run('umount', [dir])
  rmSync(dir, { recursive: true, force: true })
})

test('a read-only file system', () => {
  run('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'rp', dir])
  expect(writeReports(dir, report(everything))).toMatchObject({
    ok: false,
    code: 'REPORTS_UNWRITABLE',
    detail: `the reports cannot be written to ${dir}: the file system is read-only; set REPORTS_DIR to a directory that can be written`,
  })
})

test('a full file system: what has room is there, and no half file stays behind', () => {
  run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'rp', dir])
  writeFileSync(join(dir, 'ballast'), Buffer.alloc(56 * 1024))
  expect(writeReports(dir, report(everything))).toMatchObject({
    ok: false,
    detail: expect.stringContaining('no space is left on the device'),
  })
  const left = readdirSync(dir)
  expect(left).not.toContain('report-n1.html')
  expect(left.filter((name) => name.endsWith('.tmp'))).toEqual([])
})
