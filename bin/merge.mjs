#!/usr/bin/env node
/** `npm run merge -- reports/report-*.json`: one JUnit file, or one HTML page, of many nodes. Node 20 reads no TypeScript: the command is bundled first. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureTemporaryDirectory } from './temporary.mjs'

ensureTemporaryDirectory()
const dir = mkdtempSync(join(tmpdir(), 'k8snetlook-merge-'))
try {
  const entry = join(import.meta.dirname, '../lib/report/merge.ts')
  const bundled = execFileSync(process.execPath, [join(import.meta.dirname, 'bundle.mjs'), dir, entry], {
    encoding: 'utf8',
  })
  const [[, file]] = JSON.parse(bundled)
  const { main } = await import(file)
  process.exitCode = main(process.argv.slice(2))
} finally {
  rmSync(dir, { recursive: true, force: true })
}
