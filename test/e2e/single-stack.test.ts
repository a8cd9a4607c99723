/** Healthy clusters of one address family, with the other kube-proxy mode and the other containerd. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { expectHealthy } from './healthy.ts'
import { runSuite } from './suite.ts'

const CLUSTERS = [
  { family: '4', proxyMode: 'iptables', containerd: '2' },
  { family: '6', proxyMode: 'nftables', containerd: '2' },
] as const

for (const options of CLUSTERS) {
  const { family, proxyMode, containerd } = options
  describe(`IPv${family} only, kube-proxy with ${proxyMode}, containerd ${containerd}`, () => {
    let cluster: Cluster

    beforeAll(async () => {
      cluster = await startCluster({ prefix: 'sin', ...options })
    })
    afterAll(() => cluster?.stop())

    test('every check passes', async () => {
      const run = await runSuite(cluster)
      expectHealthy(run, family)
      expect(run.report.source?.foundBy).toContain(`containerd ${containerd}.`)
    })
  })
}
