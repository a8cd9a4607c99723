import { describe, expect, test } from 'vitest'
import { joined, ofNameservers, policyNotes, underPolicy, yaml } from '../../../lib/policy.ts'
import { judgeEach } from '../../../lib/probe/judge.ts'
import { parseSettings } from '../../../lib/settings.ts'
import type { Answer, MissingRule, Plan, PolicyFacts, PolicyLimit, Target } from '../../../lib/types.ts'
import { known, plan, target, unknown } from '../question/sample-plan.ts'

const WHY =
  'NetworkPolicy default/jail selects pod default/bbox for egress, and no rule allows TCP 8080 to pods app=web'
const rule: MissingRule = {
  direction: 'egress',
  namespace: 'default',
  policy: 'jail',
  hasRules: false,
  peer: { podSelector: { matchLabels: { app: 'web' } } },
  ports: [{ protocol: 'TCP', port: 8080 }],
}
const limit = (changes: Partial<PolicyLimit> = {}): PolicyLimit => ({
  verdict: 'denied',
  addresses: ['198.18.2.9', '2001:db8:18:2::9'],
  protocol: 'tcp',
  port: 8080,
  why: WHY,
  varies: false,
  missing: [rule],
  ...changes,
})
const facts = (limits: readonly PolicyLimit[], more: Partial<PolicyFacts> = {}): PolicyFacts => ({
  egress: ['jail'],
  ingress: [],
  limits,
  wayBack: {},
  others: [],
  unseen: [],
  ...more,
})
const answer = (code: string | null, to: Partial<Target> = {}): Answer => ({
  target: target(to.address ?? '198.18.2.9', to),
  code,
  said: code === null ? 'connected' : 'no answer to any SYN',
  ms: null,
})
const expecting = (text: string) => parseSettings({ EXPECT_DENIED: text }).settings.expectDenied
const explain = (answers: readonly Answer[], changes: Partial<Plan> = {}) =>
  underPolicy(plan({ policies: known(facts([limit()])), ...changes }), judgeEach('endpoints', answers))

describe('what is not expected', () => {
  test('denied and not reached: the policy is the cause, with its rule', () => {
    const { outcome, hint } = explain([answer('UNREACHABLE')])
    expect(outcome).toMatchObject({ ok: false, code: 'POLICY_DENIES', answers: [{ code: 'POLICY_DENIES' }] })
    expect(outcome.ok ? '' : outcome.detail).toContain(WHY)
    expect(hint).toContain('`- {to: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: 8080}]}`')
    expect(hint).toContain('kubectl -n default patch networkpolicy jail --type=json')
    expect(hint).toContain('"path":"/spec/egress","value":[{')
  })
  test.each(['REJECTED', 'NOTHING_LISTENING', 'DNS_NO_ANSWER', 'UDP_SILENT', 'BACKEND_DEAD'])(
    '%s is what a CNI that enforces looks like',
    (code) => {
      expect(explain([answer(code)]).outcome).toMatchObject({ code: 'POLICY_DENIES' })
    },
  )
  test.each(['TLS_CERT_EXPIRED', 'DNS_NXDOMAIN', 'NO_ROUTE', 'HTTP_STATUS', 'PROBE_INCONCLUSIVE'])(
    '%s is another fault, whatever the policy says',
    (code) => {
      const given = judgeEach('endpoints', [answer(code)])
      expect(underPolicy(plan({ policies: known(facts([limit()])) }), given).outcome).toBe(given)
    },
  )
  test('allowed, or reached all the same: nothing changes', () => {
    const elsewhere = judgeEach('endpoints', [answer('UNREACHABLE', { port: 9090 }), answer(null)])
    expect(explain([answer('UNREACHABLE', { port: 9090 }), answer(null)]).outcome).toEqual(elsewhere)
    const healthy = judgeEach('endpoints', [answer(null)])
    expect(underPolicy(plan(), healthy).outcome).toBe(healthy)
  })
  test('what failed beside what is denied is named', () => {
    const { outcome } = explain([answer('UNREACHABLE'), answer('UNREACHABLE', { address: '198.18.2.10' })])
    expect(outcome).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/no policy denies web 198\.18\.2\.10: UNREACHABLE/),
    })
    const most = explain(
      ['10', '11'].map((end) => answer('UNREACHABLE', { address: `198.18.2.${end}` })).concat(answer('UNREACHABLE')),
    )
    expect(most.outcome).toMatchObject({ code: 'UNREACHABLE', detail: expect.stringContaining(WHY) })
  })
  test('in doubt: the code stays, the doubt is said', () => {
    const { outcome } = explain([answer('UNREACHABLE')], {
      policies: known(facts([limit({ verdict: 'unsure', why: 'a doubt' })])),
    })
    expect(outcome).toMatchObject({ code: 'UNREACHABLE', detail: expect.stringMatching(/^a doubt; /) })
  })
  test('policies of other kinds, and policies that may not be read, are named where they may be why', () => {
    const others = explain([answer('UNREACHABLE')], { policies: known(facts([], { others: ['CiliumNetworkPolicy'] })) })
    expect(others.outcome).toMatchObject({
      code: 'UNREACHABLE',
      detail: expect.stringMatching(/CiliumNetworkPolicy may/),
    })
    const forbidden = explain([answer('UNREACHABLE')], { policies: unknown() })
    expect(forbidden.outcome).toMatchObject({ code: 'UNREACHABLE', detail: expect.stringMatching(/could not be read/) })
    const given = judgeEach('endpoints', [answer('UNREACHABLE')])
    expect(underPolicy(plan({ policies: unknown('API_UNAVAILABLE') }), given).outcome).toBe(given)
  })
  test('a ping that is lost where TCP answers, under a policy that allows ports only, is not asked for', () => {
    const ping = answer('ICMP_FILTERED', { protocol: 'icmp' })
    const only = known(facts([limit({ verdict: 'unsure', protocol: 'icmp', port: null })]))
    const filtered = { ok: false as const, code: 'ICMP_FILTERED', detail: 'lost', evidence: [], answers: [ping] }
    expect(underPolicy(plan({ policies: only }), filtered)).toMatchObject({ outcome: { ok: true }, spared: 1 })
    expect(underPolicy(plan(), filtered)).toMatchObject({ outcome: { code: 'ICMP_FILTERED' }, spared: 0 })
  })
})

describe('what EXPECT_DENIED names', () => {
  const service = { expectDenied: expecting('service') }
  test('denied and not reached passes, and says so', () => {
    expect(explain([answer('UNREACHABLE')], service).outcome).toMatchObject({
      ok: true,
      detail: `denied as expected: ${WHY}`,
      // neither an answer nor a fault to the diagnosis
      answers: [{ code: null, said: 'denied as expected (no answer to any SYN)', excused: true }],
    })
  })
  test('denied, yet reached: not enforced', () => {
    expect(explain([answer(null)], service)).toMatchObject({
      outcome: { code: 'POLICY_NOT_ENFORCED' },
      onlyWarns: false,
    })
  })
  test('a ping or the own node that is reached only warns, and a ping beside TCP not even that', () => {
    const icmp = (role: string) => answer(null, { role, protocol: 'icmp' })
    const policies = known(facts([limit({ protocol: 'icmp', port: null, varies: true })]))
    const expectDenied = expecting('service,external')
    expect(explain([icmp('the external address')], { policies, expectDenied })).toMatchObject({
      outcome: { code: 'POLICY_NOT_ENFORCED' },
      onlyWarns: true,
    })
    expect(explain([icmp('a ready endpoint')], { policies, expectDenied }).outcome).toMatchObject({ ok: true })
  })
  test('no policy denies it, and it is reached', () => {
    const { outcome } = explain([answer(null)], { ...service, policies: known(facts([])) })
    expect(outcome).toMatchObject({
      code: 'EXPECTED_DENIED_BUT_REACHED',
      detail: expect.stringMatching(/no NetworkPolicy denies it/),
    })
  })
  test('no policy denies it, and it is not reached: another fault, unless policies of other kinds exist', () => {
    expect(explain([answer('UNREACHABLE')], { ...service, policies: known(facts([])) }).outcome).toMatchObject({
      code: 'UNREACHABLE',
    })
    const others = known(facts([], { others: ['CiliumNetworkPolicy'] }))
    expect(explain([answer('UNREACHABLE')], { ...service, policies: others }).outcome).toMatchObject({ ok: true })
  })
  test('policies that could not be read leave it open', () => {
    expect(explain([answer('UNREACHABLE')], { ...service, policies: unknown() }).outcome).toMatchObject({
      code: 'API_FORBIDDEN',
    })
  })
  test('a virtual address of which some backends are denied is reached', () => {
    const policies = known(facts([limit({ verdict: 'partly' })]))
    expect(explain([answer(null)], { ...service, policies }).outcome).toMatchObject({
      code: 'EXPECTED_DENIED_BUT_REACHED',
    })
    expect(explain([answer('BACKEND_DEAD')], { policies }).outcome).toMatchObject({ code: 'POLICY_DENIES' })
  })
  test.each([
    ['service', 'a ready endpoint', true],
    ['service', 'the destination service', true],
    ['service', 'the destination pod', false],
    ['pod', 'the destination pod', true],
    ['dns', 'a DNS replica', true],
    ['dns', 'a nameserver of the pod', true],
    ['api', 'an API server endpoint', true],
    ['api', 'the API server by ClusterIP', true],
    ['external', 'the external address', true],
    ['service:8080', 'a ready endpoint', true],
    ['service:80', 'a ready endpoint', false],
    ['198.18.2.9', 'anything', true],
    ['198.18.2.9:8080', 'anything', true],
    ['198.18.2.10', 'anything', false],
    ['web', 'the destination pod', true],
    ['default/web', 'the destination pod', true],
    ['other/web', 'the destination pod', false],
    ['web', 'the destination service', true],
    ['other/web', 'the destination service', false],
    ['web', 'the external address', false],
  ])('%s means %s: %s', (text, role, means) => {
    expect(explain([answer('UNREACHABLE', { role })], { expectDenied: expecting(text) }).outcome.ok).toBe(means)
  })
})

describe('the rule', () => {
  const peer = (app: string) => ({ podSelector: { matchLabels: { app } } })
  test('ports of one peer stand in one rule, peers of the same ports too', () => {
    const udp = { ...rule, ports: [{ protocol: 'UDP', port: 53 }] }
    const tcp = { ...rule, ports: [{ protocol: 'TCP', port: 53 }] }
    expect(joined([udp, tcp])).toMatchObject([
      { peers: [rule.peer], ports: [{ protocol: 'UDP' }, { protocol: 'TCP' }] },
    ])
    expect(joined([rule, { ...rule, peer: peer('other') }])).toMatchObject([{ peers: [rule.peer, peer('other')] }])
    expect(joined([rule, { ...rule, policy: 'other' }])).toHaveLength(2)
  })
  test('every port and one port are not joined', () => {
    expect(joined([rule, { ...rule, ports: [] }])).toHaveLength(2)
  })
  test('is YAML: words that mean something else are quoted', () => {
    expect(yaml({ a: 'true', b: '1', c: ['2001:db8::1/128', 'app/x'], 'k/y': 'no' })).toBe(
      '{a: "true", b: "1", c: ["2001:db8::1/128", app/x], k/y: "no"}',
    )
  })
})

test('the address of NodeLocal DNSCache counts only where the pod asks it', () => {
  const policies = known(facts([limit({ addresses: ['169.254.20.10'], protocol: 'udp', port: 53 })]))
  expect(ofNameservers(policies, ['198.19.0.10'])).toMatchObject({ value: { limits: [] } })
  expect(ofNameservers(policies, ['169.254.20.10'])).toEqual(policies)
})

test('notes: none without policies; else who selects the source, and what is not evaluated', () => {
  expect(policyNotes(known(facts([], { egress: [] })))).toEqual([])
  expect(policyNotes(known(facts([limit()], { others: ['CiliumNetworkPolicy'] })))).toEqual([
    expect.stringContaining('jail'),
    expect.stringMatching(/IPv4 and IPv6/),
    expect.stringContaining('CiliumNetworkPolicy'),
  ])
  expect(policyNotes(unknown())).toEqual([expect.stringContaining('reason of API_FORBIDDEN')])
})
