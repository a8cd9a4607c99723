/** checks/cluster on three real nodes in two zones: healthy, with faults, refused, interrupted, and always gone without a trace. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importImage } from '../bed/containerd.ts'
import { until } from '../bed/kubernetes/api.ts'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { nft } from '../bed/namespace.ts'
import { productImage } from '../bed/product-image.ts'
import { hideSockets, remains, runEveryNode, showSockets, startEveryNode } from './every-node-run.ts'
import { troubles } from './suite.ts'

const ZONES: Readonly<Record<string, string>> = { n1: 'a', n2: 'b', n3: 'b' }
const ZONE = 'topology.kubernetes.io/zone'
/** The lab's web server has a backlog of nine: three suites at once would fill it. */
const ONE_BY_ONE = { NODES_AT_ONCE: '1' }

let cluster: Cluster

beforeAll(async () => {
  const [image, started] = await Promise.all([productImage(), startCluster({ prefix: 'evn', nodes: 3 })])
  cluster = started
  hideSockets(cluster)
  showSockets(cluster)
  for (const { name, socket } of cluster.nodes) {
    await cluster.api(`/api/v1/nodes/${name}`, {
      method: 'PATCH',
      body: { metadata: { labels: { [ZONE]: ZONES[name] } } },
    })
    await importImage(socket, image.tar)
  }
})
afterAll(async () => {
  if (cluster) hideSockets(cluster)
  await cluster?.stop()
})

/** All of a run is gone, but for its namespace, which takes half a minute to go. */
const nothingRuns = () =>
  until('everything of the run to be gone', 60, async () => {
    const { stays, going } = await remains(cluster)
    return stays.length === 0 && going.every((one) => one.startsWith('namespaces '))
  })

describe('healthy', () => {
  test('every node is asked, every pair of them, and nothing is left', async () => {
    const { exitCode, output, report, junit, html } = await runEveryNode(cluster, ONE_BY_ONE)
    expect(troubles(report), output).toEqual([])
    expect(exitCode).toBe(0)
    const { nodes, pairs, differences } = report.cluster ?? { nodes: [], pairs: [], differences: [] }
    expect(nodes.map(({ node, zone, problem }) => [node, zone, problem])).toEqual([
      ['n1', 'a', null],
      ['n2', 'b', null],
      ['n3', 'b', null],
    ])
    expect(nodes.map(({ report: own }) => own && [own.node, own.state, own.verdict])).toEqual(
      ['n1', 'n2', 'n3'].map((name) => [name, 'complete', 'pass']),
    )
    // six ways between three nodes, of nodes and of pods, over two families
    expect(pairs).toHaveLength(24)
    expect(pairs.filter(({ reached, code, rttMs }) => !reached || code !== null || rttMs === null)).toEqual([])
    expect(new Set(pairs.filter(({ between }) => between === 'pods').map(({ mtu }) => mtu))).toEqual(new Set([1450]))
    expect(differences).toEqual([])
    expect(report.findings).toEqual([])
    for (const name of ['n1', 'n2', 'n3']) expect(junit).toContain(`k8snetlook.${name}.pod`)
    expect(html).toContain('n1')
    await nothingRuns()
  })

  test('DRY_RUN shows the objects and makes none', async () => {
    const { exitCode, output } = await runEveryNode(cluster, { DRY_RUN: '1' })
    expect(exitCode).toBe(2)
    expect(output.match(/^kind: Job$/gm)).toHaveLength(3)
    expect(output).toContain('hostNetwork: true')
    expect((await remains(cluster)).stays).toEqual([])
  })
})

describe('with a fault', () => {
  test('a node that takes no tunnel packets: one finding, that names it', async () => {
    const [, , third] = cluster.nodes
    const namespace = third?.namespace ?? ''
    nft(namespace, 'table inet fault { chain in { type filter hook input priority -300; udp dport 8472 drop; }; }')
    try {
      const { exitCode, report, output } = await runEveryNode(cluster, ONE_BY_ONE)
      expect(exitCode, output).toBe(1)
      const [first, ...more] = report.findings
      expect(first?.code).toBe('FIREWALL_DROPS')
      expect(first?.cause).toMatch(/^Node n3 .*VXLAN \(UDP 8472\).*udp dport 8472 drop/)
      expect(more.map(({ code, cause }) => [code, cause])).toEqual([])
      const failed = report.cluster?.pairs.filter(({ reached }) => reached === false) ?? []
      expect(failed.length).toBeGreaterThan(0)
      expect(failed.filter(({ between, from, to }) => between === 'nodes' || (from !== 'n3' && to !== 'n3'))).toEqual(
        [],
      )
    } finally {
      nft(namespace, 'delete table inet fault')
    }
    await nothingRuns()
  })

  test('an image that is not there, on one node, and no verdict on it', async () => {
    const { exitCode, report } = await runEveryNode(cluster, { NODES: 'n2', IMAGE: 'lab.test/absent:1' })
    expect(exitCode).toBe(2)
    expect(report.cluster?.nodes[0]?.problem?.code).toBe('IMAGE_NOT_PULLED')
    await nothingRuns()
  })

  test('a node whose kubelet is gone is inconclusive, the others answer', async () => {
    const kubelet = await until('the kubelet', 5, async () => cluster.nodes[2]?.kubelet)
    process.kill(kubelet.pid, 'SIGSTOP')
    try {
      const { exitCode, report, output } = await runEveryNode(cluster)
      const problems = report.cluster?.nodes.map(({ node, problem }) => [node, problem?.code ?? null])
      expect(problems, output).toEqual([
        ['n1', null],
        ['n2', null],
        ['n3', 'NODE_NOT_READY'],
      ])
      expect(exitCode).not.toBe(0)
    } finally {
      process.kill(kubelet.pid, 'SIGCONT')
    }
    await nothingRuns()
  })
})

describe('what a run made is gone', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('after %s', async (signal) => {
    const { process: run, finished } = startEveryNode(cluster)
    await until('a pod of the run', 30, async () =>
      (await remains(cluster)).stays.some((one) => one.startsWith('pods ')),
    )
    run.kill(signal)
    const { exitCode, report } = await finished
    expect(exitCode).toBe(signal === 'SIGKILL' ? null : 2)
    expect(report.state).toBe('incomplete')
    await nothingRuns()
  })
})

describe('left-overs', () => {
  const stale = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: {
      name: 'k8snetlook-0badc0de',
      labels: { 'k8snetlook/run': '0badc0de' },
      annotations: { 'k8snetlook/expires': '2020-01-01T00:00:00Z' },
    },
    rules: [],
  }

  test('of a run that died are named, and removed when that is asked for', async () => {
    await cluster.apply([stale])
    const seen = await runEveryNode(cluster, { NODES: 'n1' })
    expect(troubles(seen.report)).toEqual(['warn cluster/preflight LEFTOVERS_FOUND'])
    expect(seen.output).toContain('kubectl delete clusterrole k8snetlook-0badc0de')
    const removed = await runEveryNode(cluster, { NODES: 'n1', REMOVE_LEFTOVERS: '1' })
    expect(troubles(removed.report)).toEqual([])
    await nothingRuns()
  })
})

describe('installed by an administrator', () => {
  const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'netcheck' } }
  const ACCOUNT = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'k8snetlook', namespace: 'netcheck' } }

  async function expectNobodyAsked(said: string, next: string): Promise<void> {
    const { exitCode, report, output } = await runEveryNode(cluster, { RUN_NAMESPACE: 'netcheck' })
    expect(exitCode, output).toBe(2)
    expect(output).toContain(said)
    expect(output.replace(/\s+/g, ' ')).toContain(next)
    expect(report.cluster).toBeUndefined()
    await nothingRuns()
  }

  test('Pod Security refuses the pods: no node is asked, and the label to set is named', async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' }
    await cluster.apply([{ ...NAMESPACE, metadata: { ...NAMESPACE.metadata, labels } }, ACCOUNT])
    await expectNobodyAsked('POD_NOT_ADMITTED', 'pod-security.kubernetes.io/enforce=privileged')
  })

  test('a quota that is used up: no node is asked, and the quota is named', async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
    await cluster.api('/api/v1/namespaces/netcheck', { method: 'PATCH', body: { metadata: { labels } } })
    const about = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few', namespace: 'netcheck' } }
    await cluster.apply([{ ...about, spec: { hard: { pods: '0' } } }])
    await until('the quota to count', 30, async () => {
      const { status } = await cluster.api<{ status?: { hard?: object } }>(
        '/api/v1/namespaces/netcheck/resourcequotas/few',
      )
      return status?.hard
    })
    await expectNobodyAsked('exceeded quota: few', 'Raise the ResourceQuota that is named')
  })
})

test('in the end no namespace of any run is left', () =>
  until('all of them to be gone', 90, async () => {
    const { stays, going } = await remains(cluster)
    return stays.length + going.length === 0
  }))
