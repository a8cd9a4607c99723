/**
 * The suite on a dual-stack cluster (kube-proxy with nftables, containerd 1.6): healthy, from where it asks, and healthy
 * many times. E2E_HEALTHY_RUNS: how many times, default 20.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { expectHealthy } from './healthy.ts'
import { countPackets } from './packets.ts'
import { runSuite } from './suite.ts'

const { E2E_HEALTHY_RUNS = '20' } = process.env

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'dua' })
})
afterAll(() => cluster?.stop())

describe('healthy', () => {
  test.each([0, 1])('every check passes, from node %i', async (node) => {
    const run = await runSuite(cluster, { node })
    expectHealthy(run, 'dual')
    expect(run.report.source?.foundBy).toContain('containerd 1.6')
  })

  test('host checks alone ask nothing from the pod', async () => {
    const run = await runSuite(cluster, { args: ['checks/host'] })
    expect(run.exitCode).toBe(0)
    expect([...new Set(run.report.results.map((result) => result.place))]).toEqual(['node'])
  })
})

test('what the pod checks send leaves from the pod, and nothing of it from the node', async () => {
  const counters = await countPackets(cluster)
  try {
    const run = await runSuite(cluster, { args: ['checks/pod', '--project', 'pod'] })
    expect(run.exitCode, run.output).toBe(0)
    const sent = counters.read()
    const kinds = ['tcp4', 'tcp6', 'tls4', 'udp4', 'icmp4', 'icmp6']
    expect(sent.pod).toEqual(Object.fromEntries(kinds.map((kind) => [kind, expect.toSatisfy((n: number) => n > 0)])))
    expect(sent.node).toEqual(Object.fromEntries(kinds.map((kind) => [kind, 0])))
  } finally {
    counters.remove()
  }
})

test(`no false alarm in ${E2E_HEALTHY_RUNS} runs in a row`, { timeout: 1_200_000 }, async () => {
  for (let i = 0; i < Number(E2E_HEALTHY_RUNS); i++) expectHealthy(await runSuite(cluster), 'dual')
})
