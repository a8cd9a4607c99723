/**
 * The example pipelines by the schemas of those who run them: SchemaStore's of GitLab CI and GitHub Actions, Argo's API models, and
 * Groovy's grammar for Jenkins (its declarative sections are checked by Jenkins alone). None of them is run.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SETTINGS } from '../../lib/settings.ts'
import { checkPipeline, checkSchema } from './python.ts'

const DIR = fileURLToPath(new URL('../../deploy/pipelines', import.meta.url))
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

interface Example {
  readonly file: string
  check(path: string): void
  /** What makes it wrong, in place of what. */
  readonly spoilt: readonly [string, string]
}

const EXAMPLES: readonly Example[] = [
  {
    file: 'gitlab-ci.yml',
    check: (path) => checkSchema('gitlab-ci', path),
    spoilt: ['when: always', 'when: sometimes'],
  },
  {
    file: 'github-actions.yml',
    check: (path) => checkSchema('github-workflows', path),
    spoilt: ['runs-on:', 'runs-at:'],
  },
  { file: 'Jenkinsfile', check: (path) => checkPipeline('groovy', path), spoilt: ['stages {', 'stages {{'] },
  { file: 'argo-workflow.yaml', check: (path) => checkPipeline('argo', path), spoilt: ['suspend: {}', 'suspendd: {}'] },
]

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'contract-pipelines-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('every example is checked, and the README names it', () => {
  expect(readdirSync(DIR).sort()).toEqual(EXAMPLES.map(({ file }) => file).sort())
  for (const { file } of EXAMPLES) expect(README).toContain(`deploy/pipelines/${file}`)
})

// Groovy's grammar takes seconds to read, on a busy machine half a minute
test.each(EXAMPLES)(
  '$file is what its runner takes',
  { timeout: 180_000 },
  ({ file, check, spoilt: [right, wrong] }) => {
    const text = readFileSync(join(DIR, file), 'utf8')
    check(join(DIR, file))
    const bad = join(dir, file)
    writeFileSync(bad, text.replace(right, wrong))
    expect(text).toContain(right)
    expect(() => check(bad)).toThrow()
  },
)

test.each(EXAMPLES)('$file asks before, keeps that, and gates after; every setting is one of ours', ({ file }) => {
  const text = readFileSync(join(DIR, file), 'utf8').replace(/^\s*(?:#|\/\/).*$/gm, '')
  const commands = text.match(/[^\n'"]*node_modules\/vitest\/vitest\.mjs run[^\n'"]*/g) ?? []
  expect(commands).toHaveLength(2)
  for (const command of commands) {
    execFileSync('sh', ['-n', '-c', command.replace(/^\s*(?:- )?(?:run: |value: )?(?:sh )?/, '')], { stdio: 'pipe' })
  }
  expect(commands[0]).toContain('|| test $? = 1')
  expect(commands[1]).not.toContain('||')
  expect(text).toMatch(/GATE\s*[:=]\s*'?regressions/)
  const named = [...text.matchAll(/\b([A-Z][A-Z]+(?:_[A-Z]+)*)(?=\s*[:=]\s*['/a-z])/g)].map(([, name]) => name)
  expect(named).toEqual(expect.arrayContaining(['BASELINE', 'GATE']))
  const ours: readonly string[] = SETTINGS.map(({ name }) => name)
  expect(named.filter((name) => !ours.includes(name ?? ''))).toEqual([])
})
