/** The checks over all nodes as Vitest runs them: handed a plan, they leave records, and need neither Linux nor a native module. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import type { CheckRecord, ClusterPlan } from '../../../lib/types.ts'
import { byTunnel, clusterOf } from '../merge/nodes.ts'

const product = fileURLToPath(new URL('../../..', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'cl-checks-'))
for (const name of ['lib', 'checks', 'node_modules', 'package.json']) symlinkSync(join(product, name), join(root, name))
writeFileSync(
  join(root, 'vitest.config.mjs'),
  `import { readFileSync } from 'node:fs'
export default {
  test: {
    watch: false, include: ['checks/cluster/*.test.ts'], pool: 'forks', isolate: false, maxWorkers: 1, reporters: ['json'],
    provide: { cluster: JSON.parse(readFileSync(new URL('plan.json', import.meta.url), 'utf8')) },
  },
}
`,
)
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Ended {
  readonly title: string
  readonly status: string
  readonly failureMessages: readonly string[]
  readonly meta: { readonly record?: CheckRecord }
}

function run(plan: ClusterPlan): { readonly exitCode: number | null; readonly all: readonly Ended[] } {
  writeFileSync(join(root, 'plan.json'), JSON.stringify(plan))
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$|DEV$|PROD$|MODE$)/.test(name)),
  )
  const vitest = join(product, 'node_modules/vitest/vitest.mjs')
  const { status, stdout } = spawnSync(process.execPath, [vitest, 'run'], { cwd: root, env, encoding: 'utf8' })
  const { testResults } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    testResults: { assertionResults: Ended[] }[]
  }
  return { exitCode: status, all: testResults.flatMap(({ assertionResults }) => assertionResults) }
}

const plan = (changes: Partial<ClusterPlan>): ClusterPlan => ({
  ...{ runId: 'r1', clusterUid: 'uid', apiHost: null, strict: false, leftovers: [], notes: [], settings: [] },
  cluster: { state: 'known', value: clusterOf({ nodes: 4, zones: ['a', 'b'] }) },
  ...changes,
})

const verdicts = (all: readonly Ended[]) =>
  Object.fromEntries(all.map(({ title, meta }) => [title, meta.record?.verdict]))

describe('the checks over all nodes', { timeout: 60_000 }, () => {
  test('each file asks its question once, or once a family; sound nodes pass', () => {
    const { exitCode, all } = run(plan({}))
    expect(exitCode).toBe(0)
    expect(all).toHaveLength(15)
    expect(readdirSync(join(product, 'checks/cluster'))).toHaveLength(10)
    for (const { title } of all) expect(title).toMatch(/^[a-zA-Z -]+?(?: over IPv[46])?, over all nodes$/)
    const { 'pairs of nodes reach each other over IPv6, over all nodes': pairs, ...rest } = verdicts(all)
    expect(pairs).toBe('pass')
    expect(
      Object.entries(rest)
        .filter(([, verdict]) => verdict !== 'pass')
        .map(([title]) => title),
    ).toEqual([
      'every replica of the cluster DNS answers every node over IPv4, over all nodes',
      'every replica of the cluster DNS answers every node over IPv6, over all nodes',
    ])
  })

  test('a fault fails those that it touches, with code and table; what is left behind warns', () => {
    const part = clusterOf({
      ...{ nodes: 4, zones: ['a', 'b'], told: byTunnel },
      fault: ({ from, to, between }) => (between === 'pods' && [from, to].includes('n2') ? 'UNREACHABLE' : null),
    })
    const leftovers = ['run 1, over since 2026: `kubectl delete clusterrole x`']
    const { exitCode, all } = run(plan({ cluster: { state: 'known', value: part }, leftovers }))
    expect(exitCode).toBe(1)
    const failed = all.filter(({ status }) => status === 'failed')
    expect(failed.map(({ title }) => title).sort()).toEqual([
      'pods of pairs of nodes reach each other over IPv4, over all nodes',
      'pods of pairs of nodes reach each other over IPv6, over all nodes',
    ])
    expect(failed[0]?.failureMessages[0]).toMatch(/^UNREACHABLE: 6 of 12 pairs are not reached: n1 to n2, /)
    expect(failed[0]?.meta.record).toMatchObject({
      place: 'cluster',
      code: 'UNREACHABLE',
      evidence: [{ kind: 'table' }],
    })
    const preflight = all.find(({ title }) => title.startsWith('what the run'))
    expect(preflight).toMatchObject({
      status: 'passed',
      meta: { record: { verdict: 'warn', code: 'LEFTOVERS_FOUND' } },
    })
  })

  test('a cluster that could not be asked makes every question inconclusive, with its reason', () => {
    const unknown = {
      state: 'unknown',
      code: 'CLUSTER_RUN_FORBIDDEN',
      reason: 'may not create jobs',
      hint: 'Grant it.',
    } as const
    const { exitCode, all } = run(plan({ cluster: unknown }))
    expect(exitCode).toBe(1)
    for (const { meta } of all) {
      expect(meta.record).toMatchObject({
        verdict: 'inconclusive',
        code: 'CLUSTER_RUN_FORBIDDEN',
        seen: 'may not create jobs',
        hint: 'Grant it.',
      })
    }
  })

  test('a dry run asks nothing, and says so', () => {
    const { all } = run(plan({ cluster: { state: 'absent', need: 'a run that asks', finding: 'DRY_RUN=1' } }))
    for (const { status, meta } of all) {
      expect([status, meta.record?.seen]).toEqual(['skipped', 'needs a run that asks, DRY_RUN=1'])
    }
  })
})

test('nothing that they import needs Linux or a native module', () => {
  const seen = new Set<string>()
  const follow = (path: string) => {
    if (seen.has(path)) return
    seen.add(path)
    const text = readFileSync(path, 'utf8')
    for (const [, from = ''] of text.matchAll(/^(?:import|export)(?! type)[^'"]*from '([^']+)'/gm)) {
      if (from.startsWith('.')) follow(join(path, '..', from))
      else expect(['vitest'], `${path} imports ${from}`).toContain(from)
    }
  }
  for (const name of readdirSync(join(product, 'checks/cluster'))) follow(join(product, 'checks/cluster', name))
  expect([...seen].some((path) => path.endsWith('lib/merge/verdicts.ts'))).toBe(true)
  expect([...seen].filter((path) => /lib\/(?:netns|socket|node|probe|check\.ts)/.test(path))).toEqual([])
})
