/** Other people's parsers from PyPI, in a virtual environment of their own: made once for each list of requirements, then kept. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))
const READ = fileURLToPath(new URL('read.py', import.meta.url))
const PIPELINES = fileURLToPath(new URL('pipelines.py', import.meta.url))

/** Path of the environment; the first call installs it (from PyPI: seconds, on a busy machine a minute and more). */
export function environment(): string {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  const cache = join(homedir(), '.cache', 'k8snetlook-contract')
  const wanted = join(cache, hash)
  if (existsSync(join(wanted, 'complete'))) return wanted
  mkdirSync(cache, { recursive: true })
  rmSync(wanted, { recursive: true, force: true })
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  // scripts of an environment name its path: it is made where it stays, and marked when it is whole
  run('python3', '-m', 'venv', wanted)
  run(join(wanted, 'bin', 'pip'), 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS)
  writeFileSync(join(wanted, 'making'), '')
  renameSync(join(wanted, 'making'), join(wanted, 'complete'))
  return wanted
}

export interface ReadCase {
  readonly name: string
  readonly classname: string
  readonly time: number
  readonly out: string | null
  readonly results: readonly {
    readonly kind: 'Failure' | 'Error' | 'Skipped'
    readonly type: string | null
    readonly message: string
    readonly text: string
  }[]
  readonly properties: { readonly verdict?: string; readonly [name: string]: string | undefined }
}

export interface ReadSuite {
  readonly name: string
  readonly hostname: string
  readonly timestamp: string
  /** Tests, failures, errors, skipped. */
  readonly counts: readonly number[]
  readonly cases: readonly ReadCase[]
}

export interface ReadFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly (readonly [
    name: string,
    labels: { readonly node?: string; readonly [label: string]: string | undefined },
    value: number,
  ])[]
}

const read = (what: string, path: string): unknown =>
  JSON.parse(execFileSync(join(environment(), 'bin', 'python'), [READ, what, path], { encoding: 'utf8' }))

/** A JUnit file as junitparser reads it. */
export const readJUnit = (path: string): readonly ReadSuite[] => read('junit', path) as readonly ReadSuite[]

/** A text-format file as prometheus_client's parser reads it. */
export const readMetrics = (path: string): readonly ReadFamily[] => read('metrics', path) as readonly ReadFamily[]

/** Makes junit2html's page of a JUnit file. */
export function junit2html(path: string, page: string): void {
  execFileSync(join(environment(), 'bin', 'junit2html'), [path, page], { stdio: 'pipe' })
}

/** Throws with what is wrong in a file by the SchemaStore copy that check-jsonschema carries ("gitlab-ci", "github-workflows"). */
export function checkSchema(schema: string, path: string): void {
  execFileSync(join(environment(), 'bin', 'check-jsonschema'), ['--builtin-schema', `vendor.${schema}`, path], {
    stdio: 'pipe',
  })
}

/** Throws where a file is no Workflow by the models that hera has of Argo's API, or no text of Groovy 3. */
export function checkPipeline(kind: 'argo' | 'groovy', path: string): void {
  execFileSync(join(environment(), 'bin', 'python'), [PIPELINES, kind, path], { stdio: 'pipe' })
}
