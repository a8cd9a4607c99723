/** Every fault of name resolution on a real dual-stack cluster: exactly the checks that it touches fail, with its code. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { DNS_FAULTS } from './dns-faults.ts'
import { linesOf } from './faults.ts'
import { expectHealthy } from './healthy.ts'
import { runSuite, troubles } from './suite.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'dns' })
})
afterAll(() => cluster?.stop())

test.each(DNS_FAULTS.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
  try {
    await fault.inject(cluster)
    const suite = await runSuite(cluster, fault.env ? { env: fault.env } : {})
    expect(troubles(suite.report), suite.output).toEqual(fault.expect.troubles.flatMap(linesOf).sort())
    expect(suite.exitCode).toBe(fault.expect.exitCode)
  } finally {
    await fault.undo(cluster)
  }
})

test('is green again when every fault has been taken back', async () => {
  expectHealthy(await runSuite(cluster), 'dual')
})
