/** How checks end, from real runs: every verdict, in the right namespace or in none. */
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { Plan, Result } from '../../../lib/types.ts'
import { planHere, type Tiny, tiny } from '../gate/tiny.ts'
import { absent, known, source, unknown } from '../question/sample-plan.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 3 })

const projects: Tiny[] = []
afterAll(() => {
  for (const project of projects) project.remove()
})

const good = "const good = { ok: true, value: 7, detail: 'fine', evidence: [{ kind: 'scalar', name: 'n', value: 1 }] }"
const bad = "const bad = (code) => ({ ok: false, code, detail: 'seen ' + code, evidence: [] })"
const unknownFact = "{ state: 'unknown', code: 'API_FORBIDDEN', reason: 'may not list', hint: 'grant it' }"
const absentFact = "{ state: 'absent', need: 'DST_SVC', finding: 'not set' }"

/** Name of a check, its body, and how it must end. */
const BODIES: readonly (readonly [string, string, Partial<Result>])[] = [
  ['nothing', '', { verdict: 'pass', seen: '' }],
  ['must', "if (must(good) !== 7) throw new Error('value')", { verdict: 'pass', seen: 'fine' }],
  [
    'must fails',
    "must(bad('UNREACHABLE'), 'do this')",
    { verdict: 'fail', code: 'UNREACHABLE', seen: 'seen UNREACHABLE', hint: 'do this' },
  ],
  ['must cannot look', "must(bad('PERMISSION_MISSING'))", { verdict: 'inconclusive', code: 'PERMISSION_MISSING' }],
  ['an unknown code', "must(bad('NO_SUCH_CODE'))", { verdict: 'fail', code: 'NO_SUCH_CODE' }],
  ['warn', "warn(bad('ICMP_FILTERED'))", { verdict: 'warn', code: 'ICMP_FILTERED', seen: 'seen ICMP_FILTERED' }],
  ['warn fine', 'warn(good)', { verdict: 'pass', seen: 'fine' }],
  [
    'two warnings',
    "warn(bad('ICMP_FILTERED')); warn(bad('PACKET_LOSS'))",
    { verdict: 'warn', code: 'ICMP_FILTERED', seen: 'seen ICMP_FILTERED; seen PACKET_LOSS' },
  ],
  ['warn, then fail', "warn(bad('ICMP_FILTERED')); must(bad('NO_ROUTE'))", { verdict: 'fail', code: 'NO_ROUTE' }],
  ['warn cannot look', "warn(bad('PROBE_INCONCLUSIVE'))", { verdict: 'inconclusive', code: 'PROBE_INCONCLUSIVE' }],
  ['judge a warning', "judge(bad('PATH_MTU_LOWER'))", { verdict: 'warn', code: 'PATH_MTU_LOWER' }],
  ['judge a failure', "judge(bad('PATH_MTU_BLACK_HOLE'))", { verdict: 'fail', code: 'PATH_MTU_BLACK_HOLE' }],
  ['judge cannot look', "judge(bad('PROBE_INCONCLUSIVE'))", { verdict: 'inconclusive' }],
  [
    'unknown fact',
    `given(${unknownFact})`,
    { verdict: 'inconclusive', code: 'API_FORBIDDEN', seen: 'may not list', hint: 'grant it' },
  ],
  ['absent fact', `given(${absentFact})`, { verdict: 'not-applicable', seen: 'needs DST_SVC, not set' }],
  [
    'a bug',
    "throw new TypeError('x is not a function')",
    { verdict: 'inconclusive', code: 'CHECK_CRASHED', seen: 'the check itself broke: x is not a function' },
  ],
  ['a thrown text', "throw 'words'", { verdict: 'inconclusive', code: 'CHECK_CRASHED' }],
  [
    'targets',
    "about([{ role: 'r', name: 'n', address: '192.0.2.1', family: 4 }])",
    { verdict: 'pass', targets: [{ role: 'r', name: 'n', address: '192.0.2.1', family: 4 }] },
  ],
]

const fileOf = (place: string) =>
  [
    good,
    bad,
    ...BODIES.map(
      ([name, body]) => `check('${place} ${name}', once, async ({ given, must, warn, judge, about }) => { ${body} })`,
    ),
  ].join('\n')

async function resultsOf(files: Record<string, string>, plan: Plan, env: Record<string, string> = {}) {
  const project = tiny(files, plan)
  projects.push(project)
  const run = await project.run(['run', 'checks/pod'], { env })
  const results = new Map(run.report.results.map((result) => [result.name, result]))
  return { ...run, results, of: (name: string) => results.get(name) }
}

const one = (options = '') => `check('x', once, async ({ must }) => {}${options})`
const both = { 'host/x': one(), 'pod/x': one() }

describe.concurrent('a check', () => {
  it('ends as its body says, in both places', async () => {
    const { of, results, output } = await resultsOf({ 'host/all': fileOf('on'), 'pod/all': fileOf('in') }, planHere())
    expect(results.size).toBe(2 * BODIES.length)
    for (const [name, , expected] of BODIES) {
      expect(of(`on ${name}, from the node`), name).toMatchObject({ ...expected, place: 'node' })
      expect(of(`in ${name}, from the pod`), name).toMatchObject({ ...expected, place: 'pod' })
    }
    expect(of('on must, from the node')?.evidence).toContainEqual({ kind: 'scalar', name: 'n', value: 1 })
    expect(output).not.toMatch(/\n\s+at .*:\d+:\d+/)
  })

  it('with STRICT only warnings change', async () => {
    const { of } = await resultsOf({ 'pod/all': fileOf('in') }, planHere(), { STRICT: '1' })
    for (const [name, , { verdict }] of BODIES) {
      expect(of(`in ${name}, from the pod`)?.verdict, name).toBe(verdict === 'warn' ? 'fail' : verdict)
    }
  })

  it('has a name of question, row, family and place, and the same names whatever applies', async () => {
    const body =
      "check('{destination} answers', perDestination, async ({ given, plan, row }) => { given(plan.destinations[row.destination]) })"
    const { results } = await resultsOf({ 'pod/rows': body }, planHere())
    expect([...results].map(([name, { verdict }]) => `${name}: ${verdict}`).sort()).toEqual([
      'a pod on another node answers over IPv4, from the pod: pass',
      'a pod on another node answers over IPv6, from the pod: pass',
      'a pod on the same node answers over IPv4, from the pod: pass',
      'a pod on the same node answers over IPv6, from the pod: pass',
      'the named destination pod answers over IPv4, from the pod: not-applicable',
      'the named destination pod answers over IPv6, from the pod: not-applicable',
    ])
  })
})

describe.concurrent('the namespace', () => {
  const preflight = {
    'host/preflight': one(', { sendsNothing: true }'),
    'pod/preflight': one(', { sendsNothing: true }'),
  }
  const endings = async (plan: Plan, files: Record<string, string> = both) => {
    const { of, exitCode } = await resultsOf(files, plan)
    const said = (name: string) => {
      const { verdict, code } = of(name) ?? {}
      return code ? `${verdict} ${code}` : `${verdict}`
    }
    return { node: said('x, from the node'), pod: said('x, from the pod'), exitCode }
  }

  it('another one than the plan says: nothing is asked there', async () => {
    const here = planHere()
    expect(await endings({ ...here, node: { ...here.node, netns: '1' } })).toEqual({
      node: 'inconclusive NAMESPACE_CHANGED',
      pod: 'pass',
      exitCode: 2,
    })
  })

  it('one that is gone: the preflight says so too', async () => {
    const gone = planHere({ source: known({ ...source, netns: '1', netnsPath: '/proc/4194305/ns/net' }) })
    expect(await endings(gone)).toMatchObject({ node: 'pass', pod: 'inconclusive NAMESPACE_GONE' })
    expect(await endings(gone, preflight)).toMatchObject({ node: 'pass', pod: 'inconclusive NAMESPACE_GONE' })
  })

  it('a source that is unknown: inconclusive with its reason; no source: not applicable', async () => {
    expect(await endings(planHere({ source: unknown('POD_ELSEWHERE') }))).toEqual({
      node: 'pass',
      pod: 'inconclusive POD_ELSEWHERE',
      exitCode: 2,
    })
    expect(await endings(planHere({ source: absent('SRC_POD') }))).toEqual({
      node: 'pass',
      pod: 'not-applicable',
      exitCode: 0,
    })
  })

  it('no preflight passes without a source, or in the wrong place', async () => {
    const here = planHere({ source: absent('SRC_POD') })
    expect((await endings(here, preflight)).pod).toBe('not-applicable')
    expect((await endings({ ...here, node: { ...here.node, netns: '1' } }, preflight)).node).toBe(
      'inconclusive NAMESPACE_CHANGED',
    )
  })

  it('an unusable plan: nothing is asked from anywhere', async () => {
    const { code, reason, hint } = unknown('SETTINGS_INVALID')
    expect(await endings(planHere({ unusable: { code, reason, hint } }))).toEqual({
      node: 'inconclusive SETTINGS_INVALID',
      pod: 'inconclusive SETTINGS_INVALID',
      exitCode: 2,
    })
  })

  it('a pod on the host network is asked from the node, and the evidence says so', async () => {
    const here = planHere()
    const { netns } = here.node
    const host = known({ ...source, netns, netnsPath: '/proc/self/ns/net', hostNetwork: true })
    const { of } = await resultsOf(both, { ...here, source: host })
    expect(of('x, from the pod')?.evidence).toContainEqual({
      kind: 'scalar',
      name: 'asked from',
      value: 'the node: the pod uses the host network',
    })
    expect(of('x, from the node')?.evidence).toEqual([{ kind: 'scalar', name: 'network namespace', value: netns }])
  })
})
