#!/usr/bin/env node
/** `npm run merge -- reports/report-*.json`: one JUnit file, or one HTML page, of many nodes. Node 20 reads no TypeScript: the command is bundled first. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const dir = mkdtempSync(join(tmpdir(), 'k8snetlook-merge-'))
try {
  const input = fileURLToPath(new URL('../lib/report/merge.ts', import.meta.url))
  const build = await rolldown({ input, platform: 'node', logLevel: 'silent' })
  await build.write({ dir, format: 'esm', codeSplitting: false, entryFileNames: 'merge.mjs' })
  await build.close()
  const { main } = await import(join(dir, 'merge.mjs'))
  process.exitCode = main(process.argv.slice(2))
} finally {
  rmSync(dir, { recursive: true, force: true })
}
