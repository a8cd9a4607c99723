import { expect, test } from 'vitest'
import { differencesOf, digestOf, pairsOf, partOf } from '../../../lib/merge/index.ts'
import { toJson } from '../../../lib/report/json.ts'
import type { Answer, NodeRun, StateFact } from '../../../lib/types.ts'
import { RECORDED, recorded } from '../report/recorded.ts'
import { explained, paths, report, result } from '../report/sample.ts'
import { clusterReport } from '../report/sample-cluster.ts'
import { violations } from '../report/schema.ts'
import { clusterOf, runsOf } from './nodes.ts'

test.each(RECORDED)(
  'the digest of a recorded report is a valid one with the same verdicts and findings: %s',
  (name) => {
    const [whole, short] = [recorded(name), digestOf(recorded(name))]
    expect(violations(JSON.parse(toJson(short)))).toEqual([])
    expect(short.results.map(({ id, verdict, code }) => [id, verdict, code])).toEqual(
      whole.results.map(({ id, verdict, code }) => [id, verdict, code]),
    )
    expect(short.findings.map(({ code, explains }) => [code, explains])).toEqual(
      whole.findings.map(({ code, explains }) => [code, explains]),
    )
    expect(JSON.stringify(short).length).toBeLessThan(0.8 * JSON.stringify(whole).length)
  },
)

test('what is not green keeps its evidence, capped; what is green loses it', () => {
  const long = 'x'.repeat(2000)
  const rows = Array.from({ length: 40 }, (_, index) => [index, long])
  const short = digestOf(
    report([
      ...[...explained, ...paths],
      result('checks/pod/y.test.ts', 'y', {
        ...{ verdict: 'fail', code: 'UNREACHABLE', seen: long },
        evidence: [{ kind: 'table', name: 't', columns: ['n', 'text'], rows, omitted: 2 }],
      }),
    ]),
  )
  for (const one of short.results) {
    if (one.verdict === 'pass') expect([one.evidence, one.targets]).toEqual([[], []])
    expect(one.seen.length).toBeLessThanOrEqual(400)
  }
  const table = short.results.at(-1)?.evidence[0]
  expect(table).toMatchObject({ kind: 'table', omitted: 34 })
  expect(table?.kind === 'table' && table.rows.length).toBe(8)
})

test('of many nodes a report stays under 20 kB, and numbers stand for what is green', () => {
  const part = clusterOf({ nodes: 101, asks: 8, fault: ({ from }) => (from === 'n3' ? 'UNREACHABLE' : null) })
  for (const { report: one, counts } of part.nodes) {
    expect(JSON.stringify(one).length).toBeLessThan(20_000)
    expect(counts && Object.values(counts).reduce((sum, n) => sum + n, 0)).toBe(98)
    expect(one?.results.some(({ verdict }) => verdict === 'pass')).toBe(true)
  }
  expect(clusterOf({ nodes: 100, asks: 8 }).nodes[0]?.counts).toBeUndefined()
})

test('a report over all nodes is as the schema says, whole and short', async () => {
  for (const nodes of [3, 101]) {
    const silent = { n2: { code: 'NODE_TIMED_OUT', reason: 'no end within 300 s', hint: 'More time.' } }
    const given = await clusterReport({
      nodes,
      asks: 8,
      silent,
      fault: ({ to }) => (to === 'n3' ? 'PATH_MTU_BLACK_HOLE' : null),
    })
    expect(violations(JSON.parse(toJson(given)))).toEqual([])
  }
})

const target = (node: string, address: string) => ({
  role: 'a pod on another node',
  name: `shop/web-${node}`,
  address,
  family: 4 as const,
  node,
})
const answer = (address: string, code: string | null, more: Partial<Answer> = {}): Answer => ({
  ...{ target: target('n2', address), code, said: '', ms: code === null ? 0.5 : null },
  ...more,
})

function pairFor(ping: readonly Answer[], tcp: readonly Answer[] = [], mtu: readonly Answer[] = []) {
  const of = (way: string, answers: readonly Answer[]) =>
    result(`checks/pod/peers-${way}.test.ts`, way, { verdict: 'pass', family: 4, answers })
  const run = { node: 'n1', zone: null, source: 'shop/web-n1', problem: null }
  return pairsOf([{ ...run, report: digestOf(report([of('ping', ping), of('tcp', tcp), of('mtu', mtu)])) }])[0]
}

test.each([
  ['it answers', pairFor([answer('192.0.2.2', null)]), { reached: true, code: null, rttMs: 0.5, mtu: null }],
  [
    'its ping is filtered',
    pairFor([answer('192.0.2.2', 'UNREACHABLE')], [answer('192.0.2.2', null)]),
    { reached: true, code: 'ICMP_FILTERED' },
  ],
  [
    'it loses some',
    pairFor([answer('192.0.2.2', null), answer('192.0.2.2', 'PACKET_LOSS')]),
    { reached: true, code: 'PACKET_LOSS' },
  ],
  [
    'only its port is closed',
    pairFor([answer('192.0.2.2', null)], [answer('192.0.2.2', 'NOTHING_LISTENING')]),
    { reached: true, code: 'NOTHING_LISTENING' },
  ],
  [
    'one of its addresses is silent',
    pairFor([answer('192.0.2.2', null), answer('192.0.2.3', 'UNREACHABLE')]),
    { reached: false, code: 'UNREACHABLE' },
  ],
  [
    'it could not be asked',
    pairFor([answer('192.0.2.2', 'PERMISSION_MISSING')]),
    { reached: null, code: 'PERMISSION_MISSING' },
  ],
  [
    'large packets are lost',
    pairFor([answer('192.0.2.2', null)], [], [answer('192.0.2.2', 'PATH_MTU_BLACK_HOLE', { mtu: 1400 })]),
    { reached: true, code: 'PATH_MTU_BLACK_HOLE', mtu: 1400 },
  ],
  ['a policy means its silence', pairFor([answer('192.0.2.2', 'UNREACHABLE', { excused: true })]), undefined],
])('a pair: %s', (_, pair, expected) => {
  if (expected === undefined) expect(pair).toBeUndefined()
  else expect(pair).toMatchObject({ from: 'n1', to: 'n2', between: 'pods', family: 4, ...expected })
})

const withFacts = (facts: readonly (readonly StateFact[])[]): NodeRun[] =>
  runsOf({ nodes: facts.length, environment: (_, index) => facts[index] ?? [] })

test('what one node is set to differently is named; what every node has for itself is not', () => {
  const facts = (index: number): StateFact[] => [
    { topic: 'sysctl', name: 'ipv4/ip_forward', value: index === 4 ? '0' : '1' },
    { topic: 'sysctl', name: 'netfilter/nf_conntrack_max', value: index === 2 ? '65536' : '262144' },
    { topic: 'mtu', name: `ens${index}`, value: 1500 + index },
    { topic: 'kernel', name: 'kernel release', value: `6.1.${index}` },
    { topic: 'cni', name: 'CNI configuration', value: index === 1 ? null : '10-flannel.conflist', why: 'unreadable' },
    { topic: 'rules', name: 'rules of kube-proxy', value: 100 + index },
    { topic: 'route', name: `198.18.${index}.0/24`, value: 'dev cni0' },
  ]
  expect(differencesOf(withFacts([0, 1, 2, 3, 4, 5].map(facts)))).toEqual([
    { topic: 'sysctl', name: 'ipv4/ip_forward', usual: '1', usualNodes: 5, others: [{ value: '0', nodes: ['n5'] }] },
  ])
})

test('no node, no report: nothing is learned and nothing breaks', () => {
  expect(partOf([])).toEqual({ nodes: [], pairs: [], differences: [] })
})
