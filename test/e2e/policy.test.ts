/** NetworkPolicies on a real dual-stack cluster: exactly what they deny is called so, with policy and rule; what is meant to be denied passes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { linesOf } from './faults.ts'
import { expectHealthy } from './healthy.ts'
import { POLICY_FAULTS } from './policy-faults.ts'
import { runSuite, troubles } from './suite.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'np' })
})
afterAll(() => cluster?.stop())

test.each(POLICY_FAULTS.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
  try {
    await fault.inject(cluster)
    const { report, output, exitCode } = await runSuite(cluster, fault.env ? { env: fault.env } : {})
    expect(troubles(report), output).toEqual(fault.expect.troubles.flatMap(linesOf).sort())
    expect(exitCode).toBe(fault.expect.exitCode)
    // no other cause is made up for them
    const codes = fault.expect.troubles.map(({ code }) => code)
    expect(new Set(report.findings.map(({ code }) => code)), output).toEqual(new Set(codes))
    for (const result of report.results.filter(({ verdict }) => verdict === 'fail')) {
      expect(result.seen).toMatch(fault.says)
      if (fault.remedy) expect(result.hint).toMatch(fault.remedy)
    }
    expect((await cluster.pods()).filter((pod) => !pod.ready)).toEqual([])
  } finally {
    await fault.undo(cluster)
  }
})

test('is green again when every policy has been taken away', async () => {
  expectHealthy(await runSuite(cluster), 'dual')
})
