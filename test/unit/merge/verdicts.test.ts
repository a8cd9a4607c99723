import { describe, expect, test } from 'vitest'
import {
  checksPass,
  digestOf,
  type Judged,
  joinedFindings,
  nodesAnswer,
  packetsFit,
  pairsReach,
  partOf,
  replicasAnswer,
  settingsAlike,
  zonesReach,
} from '../../../lib/merge/index.ts'
import type { ClusterPart, Fact, NodeRun, Outcome, Report, Result } from '../../../lib/types.ts'
import { report, result } from '../report/sample.ts'
import { askedOf, notGreen } from './asked.ts'
import { clusterOf, ownTrouble, runsOf, sameEnvironment } from './nodes.ts'

/** "fail CODE: detail", "fine: detail", "warn CODE: detail" */
function said(judgement: Fact<Judged>): string {
  if (judgement.state === 'absent') return `n/a: needs ${judgement.need}, ${judgement.finding}`
  if (judgement.state === 'unknown') return judgement.code
  const { failed, warned } = judgement.value
  if (!failed.ok) return `fail ${failed.code}: ${failed.detail}`
  return warned.ok ? `fine: ${failed.detail}` : `warn ${warned.code}: ${warned.detail}`
}
const told = (outcome: Outcome<void>) => (outcome.ok ? `fine: ${outcome.detail}` : `${outcome.code}: ${outcome.detail}`)

const changed = (changes: (run: NodeRun, report: Report) => Partial<NodeRun>, nodes = 4): ClusterPart =>
  partOf(runsOf({ nodes }).map((run) => ({ ...run, ...changes(run, run.report as Report) })))

describe('every node answers', () => {
  test.each<[string, ClusterPart, string]>([
    ['all do', clusterOf({ nodes: 4 }), 'fine: 4 of 4 nodes answered'],
    [
      'some do not, for reasons',
      clusterOf({
        nodes: 6,
        silent: {
          n2: { code: 'NODE_NOT_READY', reason: 'NotReady since 03:07', hint: 'x' },
          n4: { code: 'IMAGE_NOT_PULLED', reason: 'ImagePullBackOff', hint: 'Name another.' },
          n5: { code: 'IMAGE_NOT_PULLED', reason: 'ImagePullBackOff', hint: 'Name another.' },
        },
      }),
      'IMAGE_NOT_PULLED: 3 of 6 nodes answered; IMAGE_NOT_PULLED on n4 and n5 (ImagePullBackOff); NODE_NOT_READY on n2 (NotReady since 03:07)',
    ],
    [
      'one ran out of its time in the middle',
      changed((run, own) => (run.node === 'n2' ? { report: { ...own, state: 'incomplete' } } : {})),
      'RUN_INTERRUPTED: 3 of 4 nodes answered; RUN_INTERRUPTED on n2 (its report is incomplete: its run has not ended in order)',
    ],
    [
      'on one a worker died',
      changed((run, own) =>
        run.node === 'n2' ? { report: { ...own, errors: [{ code: 'WORKER_DIED', message: 'it died' }] } } : {},
      ),
      'WORKER_DIED: 3 of 4 nodes answered; WORKER_DIED on n2 (it died)',
    ],
    ['nobody was asked', partOf([]), 'NOTHING_RAN: no node was asked'],
  ])('%s', (_, part, expected) => {
    expect(told(nodesAnswer(part))).toBe(expected)
  })

  test('what to do is the node’s own hint', () => {
    const part = clusterOf({
      nodes: 3,
      silent: { n2: { code: 'IMAGE_NOT_PULLED', reason: 'no', hint: 'Name another.' } },
    })
    expect(nodesAnswer(part).hint).toBe('Name another.')
  })
})

describe('the checks of a place pass on every node', () => {
  const forbidden = result('checks/host/api-livez.test.ts', 'the API is alive', {
    verdict: 'inconclusive',
    code: 'API_FORBIDDEN',
    seen: 'may not',
  })

  test.each<[string, Fact<Judged>, string]>([
    ['they do', checksPass(clusterOf({ nodes: 3 }), 'node'), 'fine: 3 nodes asked'],
    [
      'on two they fail: the root of it, not what follows',
      checksPass(
        clusterOf({
          nodes: 5,
          own: (node) => (/n[24]/.test(node) ? ownTrouble('node', 'FORWARDING_OFF', 'ip_forward is 0.') : {}),
        }),
        'node',
      ),
      'fail FORWARDING_OFF: 2 of 5 nodes fail: FORWARDING_OFF on n2 and n4 (ip_forward is 0.)',
    ],
    [
      'a failure of the pod is none of the node',
      checksPass(clusterOf({ nodes: 3, own: () => ownTrouble('pod', 'LINK_DOWN', 'down') }), 'node'),
      'fine: 3 nodes asked',
    ],
    [
      'what it finds about its peers is another question',
      checksPass(clusterOf({ nodes: 3, fault: () => 'UNREACHABLE' }), 'pod'),
      'fine: 3 nodes asked',
    ],
    [
      'they warn',
      checksPass(
        clusterOf({ nodes: 3, own: (node) => (node === 'n1' ? ownTrouble('node', 'SOFTNET_DROPS', '3 packets') : {}) }),
        'node',
      ),
      'warn SOFTNET_DROPS: 1 of 3 nodes warns: SOFTNET_DROPS on n1 (3 packets)',
    ],
    [
      'on one it could not be looked',
      checksPass(clusterOf({ nodes: 3, own: (node) => (node === 'n1' ? { results: [forbidden] } : {}) }), 'node'),
      'fail API_FORBIDDEN: 1 of 3 nodes could not look: API_FORBIDDEN on n1 (may not)',
    ],
    [
      'one has no pod to ask from',
      checksPass(
        changed((run) => (run.node === 'n3' ? { source: null } : {})),
        'pod',
      ),
      'fine: 3 nodes asked; no pod to ask from on n3',
    ],
    [
      'none has',
      checksPass(
        changed(() => ({ source: null })),
        'pod',
      ),
      'n/a: needs a pod on some node to ask from, none has one',
    ],
    [
      'no node answered',
      checksPass(
        changed(() => ({ report: null, problem: { code: 'NODE_TIMED_OUT', reason: '', hint: '' } })),
        'pod',
      ),
      'fail NODE_TIMED_OUT: no node answered',
    ],
  ])('%s', (_, judgement, expected) => {
    expect(said(judgement)).toBe(expected)
  })
})

describe('pairs, zones and sizes', () => {
  test('a family that nobody has does not apply', () => {
    const part = clusterOf({ nodes: 3, families: [4], zones: ['a', 'b'] })
    expect(said(pairsReach(part, 'pods', 6))).toBe('n/a: needs pods on two nodes to ask over IPv6, there are none')
    expect(said(zonesReach(part, 6))).toBe('n/a: needs pods in two zones to ask over IPv6, there are none')
    expect(said(packetsFit(part, 6))).toBe(
      'n/a: needs pods on two nodes that reach each other over IPv6, there are none',
    )
    expect(said(pairsReach(part, 'pods', 4))).toBe(
      'fine: 6 pairs of 3 nodes, round trips 0.4 ms in the middle, 0.4 ms at most',
    )
  })

  test('loss fails where a node’s own check does, else it warns', () => {
    const fault = ({ to }: { to: string }) => (to === 'n2' ? 'PACKET_LOSS' : null)
    expect(said(pairsReach(clusterOf({ nodes: 3, fault }), 'nodes', 4))).toBe(
      'fail PACKET_LOSS: 2 of 6 pairs answer badly: n1 to n2 and n3 to n2',
    )
    const runs = runsOf({ nodes: 3, fault })
    const mild = (one: Result): Result => (one.code === 'PACKET_LOSS' ? { ...one, verdict: 'warn' } : one)
    const part = partOf(
      runs.map((run) => ({ ...run, report: run.report && { ...run.report, results: run.report.results.map(mild) } })),
    )
    expect(said(pairsReach(part, 'nodes', 4))).toMatch(/^warn PACKET_LOSS: 2 of 6 pairs warn/)
  })

  test('zones: one way that is cut; one that nobody could ask', () => {
    const zones = ['a', 'b']
    const cut = clusterOf({
      nodes: 4,
      zones,
      fault: ({ zones: [from, to] }) => (from === 'a' && to === 'b' ? 'UNREACHABLE' : null),
    })
    expect(said(zonesReach(cut, 4))).toBe('fail ZONES_CUT: 1 of 2 ways between zones: nothing is reached from a to b')
    const unclear = clusterOf({
      nodes: 4,
      zones,
      fault: ({ zones: [from, to] }) => (from === 'a' && to === 'b' ? 'PERMISSION_MISSING' : null),
    })
    expect(said(zonesReach(unclear, 4))).toBe('fail PERMISSION_MISSING: a to b could not be looked at')
    expect(said(zonesReach(clusterOf({ nodes: 4, zones: ['a'] }), 4))).toBe(
      'n/a: needs nodes in two zones, all are in one',
    )
  })

  test('a size that is lower and said to be only warns', () => {
    const part = clusterOf({ nodes: 3, fault: ({ to }) => (to === 'n2' ? 'PATH_MTU_LOWER' : null) })
    expect(said(packetsFit(part, 4))).toBe(
      'warn PATH_MTU_LOWER: 2 of 6 pairs, 1400 bytes pass, others carry 1450: n1 to n2 and n3 to n2',
    )
    const hole = clusterOf({ nodes: 3, fault: ({ to }) => (to === 'n2' ? 'PATH_MTU_BLACK_HOLE' : null) })
    expect(said(packetsFit(hole, 4))).toMatch(/^fail PATH_MTU_BLACK_HOLE: 2 of 6 pairs/)
  })
})

describe('every DNS replica answers every node', () => {
  const replica = (name: string, node: string) => ({
    ...{
      role: 'a DNS replica',
      name,
      node,
      address: '198.19.0.53',
      family: 4 as const,
      protocol: 'udp' as const,
      port: 53,
    },
  })
  const asked = (dead: boolean): Result =>
    result('checks/pod/dns-replicas.test.ts', 'every replica of the cluster DNS resolves kubernetes.default', {
      ...{
        family: 4,
        verdict: dead ? 'fail' : 'pass',
        ...(dead ? { code: 'DNS_NO_ANSWER', seen: '1 of 2 do not' } : {}),
      },
      answers: [
        { target: replica('kube-system/coredns-a', 'n1'), code: null, said: 'yes', ms: 0.4 },
        {
          target: replica('kube-system/coredns-b', 'n4'),
          code: dead ? 'DNS_NO_ANSWER' : null,
          said: 'no answer',
          ms: null,
        },
      ],
    })

  test.each([4, 120])('of %i nodes: the replica is named, and who asked it', (nodes) => {
    const part = clusterOf({ nodes, asks: 3, own: (node) => ({ results: [asked(node === 'n2' || node === 'n3')] }) })
    expect(said(replicasAnswer(part, 4))).toBe(
      `fail DNS_NO_ANSWER: on 2 of ${nodes} nodes not every replica answers: kube-system/coredns-b on n4 asked by n2 and n3`,
    )
    expect(said(replicasAnswer(part, 6))).toMatch(/^n\/a: needs a pod on some node/)
  })

  test('all do; and what is found on the nodes explains it where they do not', async () => {
    expect(said(replicasAnswer(clusterOf({ nodes: 120, asks: 3, own: () => ({ results: [asked(false)] }) }), 4))).toBe(
      'fine: asked from 120 nodes',
    )
    const part = clusterOf({ nodes: 4, own: (node) => ({ results: [asked(node === 'n2')] }) })
    const results = await askedOf(part)
    const { findings } = joinedFindings(part, results, 'npx vitest run')
    expect(findings).toMatchObject([
      { code: 'DNS_NO_ANSWER', explains: [expect.stringMatching(/^checks\/cluster\/dns-replicas/)] },
    ])
  })
})

describe('the nodes are set alike', () => {
  const differing = (name: string, value: string | number) => (node: string) =>
    sameEnvironment.map((fact) => (fact.name === name && node === 'n2' ? { ...fact, value } : fact))

  test('what may break something warns, what only differs is shown', () => {
    const mtu = clusterOf({ nodes: 5, environment: differing('eth0', 9000) })
    expect(said(settingsAlike(mtu))).toBe('warn NODE_DIFFERS: MTU of eth0 is 1500 on 4 and 9000 on n2')
    const kernel = settingsAlike(clusterOf({ nodes: 5, environment: differing('kernel release', '5.10') }))
    expect(said(kernel)).toBe('fine: 5 nodes compared')
    expect(kernel).toMatchObject({ value: { failed: { evidence: [{ name: 'also different' }] } } })
    expect(said(settingsAlike(clusterOf({ nodes: 1 })))).toBe('n/a: needs two nodes that answered, one did')
  })

  test('with STRICT it fails, and its finding explains it', async () => {
    const part = clusterOf({ nodes: 5, environment: differing('ipv4/ip_forward', '0') })
    const results = await askedOf(part, true)
    expect(notGreen(results)).toEqual(['settings-alike: fail NODE_DIFFERS'])
    expect(joinedFindings(part, results, 'npx vitest run').findings).toMatchObject([
      { code: 'NODE_DIFFERS', explains: [expect.any(String)] },
    ])
  })
})

test('of very many nodes the verdicts are those of few', async () => {
  const cluster = {
    asks: 5,
    fault: ({ from, to }: { from: string; to: string }) => ([from, to].includes('n3') ? 'UNREACHABLE' : null),
  }
  const [few, many] = await Promise.all(
    [100, 101].map(async (nodes) => notGreen(await askedOf(clusterOf({ nodes, ...cluster })))),
  )
  expect(many).toEqual(few)
})

test('a report that is not complete is still of use', () => {
  const incomplete = digestOf(report([], { state: 'incomplete', finished: null }))
  const part = partOf([{ node: 'n1', zone: null, source: null, problem: null, report: incomplete }])
  expect(told(nodesAnswer(part))).toMatch(/^RUN_INTERRUPTED: 0 of 1 node answered/)
})
