#!/usr/bin/env node
/**
 * `k8snetlook checks/pod` is `vitest run checks/pod`, in this process and from any working directory; `k8snetlook list checks/pod` is
 * the dry run. It is what the image and the release tarball start. Nothing but REPORTS_DIR must be writable.
 */
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const INSTALLED = fileURLToPath(new URL('..', import.meta.url))
const VITEST = join(INSTALLED, 'node_modules/vitest/vitest.mjs')

const [first, ...others] = process.argv.slice(2)
const [command, filters] = first === 'run' || first === 'list' ? [first, others] : ['run', process.argv.slice(2)]

// The first process of a container dies of no signal that it does not handle. Once the run has begun, its own handlers come first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(2))

/** Vitest and the library's bundle need a place for files of theirs; with a read-only root file system only the reports have one. */
function ensureTemporaryDirectory() {
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

ensureTemporaryDirectory()
// --configLoader runner: the other loader writes beside the configuration
process.argv = [process.argv[0], VITEST, command, '--root', INSTALLED, '--configLoader', 'runner', ...filters]
await import(VITEST)
