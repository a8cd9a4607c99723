/** A place for files that end with the process. */
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Vitest and the library's bundle need a place for files of theirs; with a read-only root file system only the reports have one. */
export function ensureTemporaryDirectory() {
  if (isWritable(tmpdir())) return
  const reports = resolve(process.env.REPORTS_DIR || 'reports')
  try {
    mkdirSync(reports, { recursive: true })
    const dir = mkdtempSync(join(reports, '.tmp-'))
    process.env.TMPDIR = dir
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  } catch (error) {
    console.error(
      `neither ${tmpdir()} nor REPORTS_DIR (${reports}) can be written: ${error.message}\n` +
        `Mount something writable at ${reports}: an emptyDir in Kubernetes, -v "$PWD/reports:${reports}" with docker; or set REPORTS_DIR.`,
    )
    process.exit(2)
  }
}

function isWritable(dir) {
  try {
    accessSync(dir, constants.W_OK)
    return true
  } catch {
    return false
  }
}
