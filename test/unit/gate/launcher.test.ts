/** bin/k8snetlook.mjs, what the image and the release tarball start: from any directory, with nothing writable but the reports. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const LAUNCHER = fileURLToPath(new URL('../../../bin/k8snetlook', import.meta.url))
/** It is not there. */
const NOWHERE = '/proc/nowhere'

vi.setConfig({ testTimeout: 60_000 })

let home: string
let reports: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'k8snetlook-launcher-'))
  reports = join(home, 'reports')
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** The dry run: it asks nobody, and what it needs of the file system is what a run needs. */
function dryRun(env: NodeJS.ProcessEnv) {
  const { PATH } = process.env
  const all = { PATH, HOME: home, KUBECONFIG: '/dev/null', REPORTS_DIR: reports, ...env }
  const child = spawn(LAUNCHER, ['list', 'checks/host'], { cwd: home, env: all, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [code, signal]]) => ({ output: stdout + stderr, code, signal }),
  )
  return { child, ended }
}

test('it shows the checks from another working directory, and leaves nothing there', async () => {
  const { output, code } = await dryRun({}).ended
  expect(output).toContain('checks/host/gateway.test.ts')
  expect(code).toBe(0)
  expect(readdirSync(home)).toEqual([])
})

test('where the temporary directory cannot be written the reports directory holds one, until the end', async () => {
  const { output, code } = await dryRun({ TMPDIR: NOWHERE }).ended
  expect(output).toContain('checks/host/gateway.test.ts')
  expect(code).toBe(0)
  expect(readdirSync(reports)).toEqual([])
})

test('where neither can be written it says what to mount, and that there is no verdict', async () => {
  const file = join(LAUNCHER, 'reports')
  const { output, code } = await dryRun({ TMPDIR: NOWHERE, REPORTS_DIR: file }).ended
  expect(output).toContain(`neither ${NOWHERE} nor REPORTS_DIR (${file}) can be written: ENOTDIR`)
  expect(output).toContain(`Mount something writable at ${file}`)
  expect(code).toBe(2)
})

test('a signal before the run has begun ends it without a verdict, as a process that dies of no signal needs it', async () => {
  const { child, ended } = dryRun({ TMPDIR: NOWHERE })
  while (!existsSync(reports) || readdirSync(reports).length === 0) await sleep(5)
  child.kill('SIGTERM')
  const { code, signal } = await ended
  expect({ code, signal }).toEqual({ code: 2, signal: null })
  expect(readdirSync(reports)).toEqual([])
})
