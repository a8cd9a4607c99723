/** The service data plane on real clusters: what is green in both modes of kube-proxy, and the faults in iptables mode; those of the other are in the catalogue. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pathOf } from '../bed/kubernetes/api.ts'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { type Fault, linesOf } from './faults.ts'
import { applyService, COMMON_FAULTS, open } from './service-faults.ts'
import { checkOf, runSuite, troubles } from './suite.ts'

const MODES: readonly (readonly ['nftables' | 'iptables', readonly Fault[]])[] = [
  ['nftables', []],
  ['iptables', COMMON_FAULTS],
]

describe.each(MODES)('kube-proxy with %s', (proxyMode, faults) => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await startCluster({ prefix: 'dp', proxyMode })
  })
  afterAll(() => cluster?.stop())

  test('a pod behind a service with a node port and external addresses: all of it answers', async () => {
    await applyService(cluster, open)
    try {
      const run = await runSuite(cluster, { env: { SRC_POD: 'deploy/web', DST_SVC: 'open' } })
      expect(troubles(run.report), run.output).toEqual([])
      const passed = run.report.results.filter(({ verdict }) => verdict === 'pass').map(checkOf)
      const both = ['service-cluster-ip', 'service-node-port', 'service-load-balancer', 'service-hairpin']
      expect(passed).toEqual(expect.arrayContaining(['host/service-rules', 'host/conntrack-stale']))
      for (const check of both) expect(passed.filter((one) => one === `pod/${check}`)).toHaveLength(2)
      const rules = run.report.results.find((result) => checkOf(result) === 'host/service-rules')
      expect(rules?.seen).toContain(proxyMode)
    } finally {
      await cluster.api(pathOf(open), { method: 'DELETE' })
    }
  })

  test.each(faults.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
    try {
      await fault.inject(cluster)
      const { env = {}, args } = fault
      const run = await runSuite(cluster, args ? { env, args } : { env })
      expect(troubles(run.report), run.output).toEqual(fault.expect.troubles.flatMap(linesOf).sort())
      expect(run.exitCode).toBe(fault.expect.exitCode)
    } finally {
      await fault.undo(cluster)
    }
  })

  test('is green again when every fault has been taken back', async () => {
    const run = await runSuite(cluster)
    expect(troubles(run.report), run.output).toEqual([])
    expect(run.exitCode).toBe(0)
  })
})
