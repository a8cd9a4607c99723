/** What the node's own state is found to say, on a real dual-stack cluster: exactly the checks that each fault touches fail. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { linesOf } from './faults.ts'
import { expectHealthy } from './healthy.ts'
import { NODE_FAULTS } from './node-faults.ts'
import { runSuite, troubles } from './suite.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'e2en' })
})
afterAll(() => cluster?.stop())

test.each(NODE_FAULTS.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
  try {
    await fault.inject(cluster)
    const run = await runSuite(cluster)
    const found = troubles(run.report).map((line) => line.replace(/\S+$/, (code) => fault.alias?.[code] ?? code))
    expect(found.sort(), run.output).toEqual(fault.expect.troubles.flatMap(linesOf).sort())
    expect(run.exitCode).toBe(fault.expect.exitCode)
  } finally {
    await fault.undo(cluster)
  }
})

test('is green again when every fault has been taken back', async () => {
  expectHealthy(await runSuite(cluster), 'dual')
})
