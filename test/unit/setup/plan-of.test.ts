/** The set-up where it needs no cluster: bad settings, no kubeconfig, another run. It never throws, and never guesses. */
import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CODES } from '../../../lib/diagnose/codes.ts'
import { currentNamespace } from '../../../lib/netns/index.ts'
import { preflight } from '../../../lib/preflight.ts'
import { parseSettings } from '../../../lib/settings.ts'
import { planOf } from '../../../lib/setup.ts'
import type { Fact, Plan } from '../../../lib/types.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qu-setup-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

type Circumstances = Parameters<typeof planOf>[1]
const planFor = (env: Record<string, string>, circumstances: Partial<Circumstances> = {}): Promise<Plan> => {
  const settings = { KUBECONFIG: join(dir, 'none'), CONTAINER_RUNTIME_ENDPOINT: `unix://${dir}/none.sock`, ...env }
  return planOf(parseSettings(settings), { podNamed: false, blocked: undefined, ...circumstances })
}

/** Every fact of a plan, however deep. */
function facts(value: unknown): Fact<unknown>[] {
  if (typeof value !== 'object' || value === null) return []
  const own = 'state' in value ? [value as Fact<unknown>] : []
  return [...own, ...Object.values(value).flatMap(facts)]
}

function expectSound(plan: Plan): void {
  expect(JSON.parse(JSON.stringify(plan))).toEqual(structuredClone(plan))
  for (const fact of facts(plan)) {
    if (fact.state !== 'unknown') continue
    // a reason why we could not look is never a statement about the network
    expect(CODES[fact.code]?.kind, fact.code).toBe('inconclusive')
    expect(fact.reason).not.toMatch(/\n|\bat .*:\d+:\d+/)
    expect(fact.reason.length).toBeGreaterThan(10)
  }
}

const codeOf = (fact: Fact<unknown>) => (fact.state === 'unknown' ? fact.code : fact.state)

describe('settings that cannot be used', () => {
  it('all problems at once, and nothing is asked', async () => {
    const plan = await planFor({ EXTERNAL_IP: 'example.org', STRICT: 'perhaps', SRC_POD: 'bbox', PROBES: '-1' })
    expect(plan.unusable?.code).toBe('SETTINGS_INVALID')
    for (const name of ['EXTERNAL_IP', 'STRICT', 'PROBES']) expect(plan.unusable?.reason).toContain(name)
    expect([plan.source, plan.service, plan.dns, plan.api.server].map(codeOf)).toEqual(
      Array(4).fill('SETTINGS_INVALID'),
    )
    for (const place of ['node', 'pod'] as const) {
      expect(preflight(plan, place)).toMatchObject({ ok: false, code: 'SETTINGS_INVALID' })
    }
    expectSound(plan)
  })

  it('a namespace of the node that does not exist', async () => {
    const plan = await planFor({ NODE_NETNS: join(dir, 'no-netns') })
    expect(plan.unusable).toMatchObject({ code: 'NAMESPACE_GONE' })
    expect(plan.unusable?.reason).toContain('no-netns')
    expectSound(plan)
  })
})

describe('another run', () => {
  it('nothing is asked, and the reason is that of the lock', async () => {
    const blocked = { state: 'unknown', code: 'ANOTHER_RUN', reason: 'another run (process 7)', hint: '' } as const
    const plan = await planFor({}, { blocked })
    expect(plan.unusable).toEqual(blocked)
    expect(preflight(plan, 'pod')).toMatchObject({ ok: false, code: 'ANOTHER_RUN' })
  })
})

describe('no kubeconfig', () => {
  it('what needs the API is unknown with that reason; the run itself is usable', async () => {
    const plan = await planFor({})
    expect(plan.unusable).toBeNull()
    expect(codeOf(plan.api.server)).toBe('KUBECONFIG_MISSING')
    expect(preflight(plan, 'node')).toMatchObject({ ok: false, code: 'KUBECONFIG_MISSING' })
    expect(plan.node.netns).toBe(currentNamespace())
    expectSound(plan)
  })

  it.each([
    ['not YAML', '{[', 'KUBECONFIG_INVALID'],
    ['of another kind', 'kind: Pod\n', 'KUBECONFIG_INVALID'],
    ['empty', '', 'KUBECONFIG_INVALID'],
  ])('one that is %s', async (name, text, code) => {
    const path = join(dir, name)
    await writeFile(path, text)
    const plan = await planFor({ KUBECONFIG: path })
    expect(codeOf(plan.api.server)).toBe(code)
    expectSound(plan)
  })

  it('a context that it does not hold', async () => {
    const path = join(dir, 'contexts')
    await writeFile(path, JSON.stringify({ kind: 'Config', apiVersion: 'v1', contexts: [], clusters: [], users: [] }))
    expect(codeOf((await planFor({ KUBECONFIG: path, KUBE_CONTEXT: 'prod' })).api.server)).toBe('KUBE_CONTEXT_UNKNOWN')
  })
})

describe('SRC_POD', () => {
  it('not set: pod checks do not apply; named on the command line they are inconclusive', async () => {
    expect((await planFor({})).source).toMatchObject({ state: 'absent', need: 'SRC_POD' })
    const named = await planFor({}, { podNamed: true })
    expect(codeOf(named.source)).toBe('SRC_POD_NOT_SET')
    expect(preflight(named, 'pod')).toMatchObject({ ok: false })
  })

  it('without API and without a runtime both reasons are said', async () => {
    const { source } = await planFor({ SRC_POD: 'default/bbox' })
    expect(source.state).toBe('unknown')
    expect(source.state === 'unknown' && source.reason).toMatch(/none\.sock.*the API could not be asked/s)
  })

  it('a workload or selector needs the API', async () => {
    const { source } = await planFor({ SRC_POD: 'deploy/web' })
    expect(source.state === 'unknown' && source.reason).toMatch(/only the API can resolve/)
    expect(CODES[codeOf(source)]?.kind).toBe('inconclusive')
  })
})

describe('external addresses', () => {
  it('each family by itself; what is not set does not apply', async () => {
    const { external } = await planFor({ EXTERNAL_IP: '203.0.113.9' })
    expect(external).toMatchObject({
      ipv4: { state: 'known', value: '203.0.113.9' },
      ipv6: { state: 'absent', need: 'EXTERNAL_IP with an IPv6 address', finding: 'not set' },
    })
  })
})

describe('the report of the settings', () => {
  it('every run has an id of its own', async () => {
    const [one, two] = await Promise.all([planFor({}), planFor({})])
    expect(one?.runId).not.toBe(two?.runId)
  })
})
