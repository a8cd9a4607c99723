/**
 * A project of a few tiny checks in a directory of its own, run by the real Vitest with the product's own configuration: only
 * the set-up is a stub, which provides a plan that the test made. Nothing is sent; the namespace is the test's own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { currentNamespace } from '../../../lib/netns/index.ts'
import type { Plan, Report } from '../../../lib/types.ts'
import { known, plan, source } from '../question/sample-plan.ts'

const product = fileURLToPath(new URL('../../..', import.meta.url))

const SETUP = `
import { readFileSync } from 'node:fs'
import { gateOf } from './lib/report/gate.ts'
export default function setup(project) {
  if (process.env.STUB === 'throws') throw new Error('the stub cannot go on')
  const known = JSON.parse(readFileSync(new URL('plan.json', import.meta.url), 'utf8'))
  const gate = gateOf(project.vitest)
  const plan = { ...known, strict: process.env.STRICT === '1', notes: ['named: ' + gate.podNamed] }
  project.provide('plan', plan)
  gate.planned(plan)
}
`

export interface TinyRun {
  readonly exitCode: number | null
  readonly report: Report
  readonly output: string
  readonly reports: readonly string[]
  readonly reportsDir: string
}

export interface Tiny {
  /** `during` sees the process and what it has written so far. */
  run(args: readonly string[], options?: TinyOptions): Promise<TinyRun>
  remove(): void
}

export interface TinyOptions {
  /** REPORTS_DIR: a directory of its own unless it is set. */
  readonly env?: Readonly<Record<string, string>> & { readonly REPORTS_DIR?: string }
  readonly during?: (process: ChildProcess, output: () => string) => Promise<void>
}

/** A plan that makes this process's own namespace both the node's and the pod's. */
export function planHere(changes: Partial<Plan> = {}): Plan {
  const netns = currentNamespace()
  const base = plan()
  return {
    ...base,
    node: { ...base.node, netns },
    source: known({ ...source, netns, netnsPath: '/proc/self/ns/net' }),
    ...changes,
  }
}

/** `files`: path below checks/ to the body of a check file; `check`, `once` and the rows are imported for it. */
export function tiny(files: Readonly<Record<string, string>>, given: Plan = planHere()): Tiny {
  const root = mkdtempSync(join(tmpdir(), 'qu-tiny-'))
  for (const name of ['lib', 'node_modules']) symlinkSync(join(product, name), join(root, name))
  cpSync(join(product, 'package.json'), join(root, 'package.json'))
  const config = readFileSync(join(product, 'vitest.config.ts'), 'utf8')
  const stubbed = config.replace("'lib/setup.ts'", "'setup.js'")
  if (stubbed === config) throw new Error('vitest.config.ts names its set-up differently now')
  writeFileSync(join(root, 'vitest.config.ts'), stubbed)
  writeFileSync(join(root, 'setup.js'), SETUP)
  writeFileSync(join(root, 'plan.json'), JSON.stringify(given))
  const head = `import { check, once, perFamily, perDestination } from '${product}lib/check.ts'\n`
  for (const [name, body] of Object.entries(files)) {
    const path = join(root, 'checks', `${name}.test.ts`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `${head}${body}\n`)
  }
  let runs = 0
  return {
    run: (args, options = {}) =>
      runIn(root, options.env?.REPORTS_DIR ?? join(root, `reports-${runs++}`), args, options),
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

async function runIn(
  root: string,
  reportsDir: string,
  args: readonly string[],
  { env = {}, during }: TinyOptions,
): Promise<TinyRun> {
  const outer = Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$|DEV$|PROD$|MODE$)/.test(name))
  const child = spawn(process.execPath, [join(product, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    env: { ...Object.fromEntries(outer), REPORTS_DIR: reportsDir, NODE_NAME: 'n1', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  await during?.(child, () => output)
  const exitCode = await ended
  const reports = readdirSync(reportsDir).filter((name) => !name.startsWith('.'))
  const json = reports.find((name) => name.endsWith('.json')) ?? 'report-n1.json'
  const report = JSON.parse(readFileSync(join(reportsDir, json), 'utf8'))
  return { exitCode, report, output, reports, reportsDir }
}
