/** What a pod's own network and its node's addresses are set to, on a real dual-stack cluster: each fault is called what it is. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { expectHealthy } from './healthy.ts'
import { type Expected, POD_FAULTS } from './pod-faults.ts'
import { runSuite, trouble, troubles } from './suite.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'pst' })
})
afterAll(() => cluster?.stop())

test.each(POD_FAULTS.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
  try {
    await fault.inject(cluster)
    const run = await runSuite(cluster, { args: fault.checks })
    expect(troubles(run.report).map(sameSilence), run.output).toEqual(
      fault.troubles.flatMap(lines).map(sameSilence).sort(),
    )
    expect(run.exitCode).toBe(fault.exitCode)
    expect((await cluster.pods()).filter((pod) => !pod.ready)).toEqual([])
  } finally {
    await fault.undo(cluster)
  }
})

test('is green again when every fault has been taken back', async () => {
  expectHealthy(await runSuite(cluster), 'dual')
})

const lines = ({ families, ...expected }: Expected) =>
  families.length === 0 ? [trouble(expected)] : families.map((family) => trouble({ ...expected, family }))

/** That the next hop is dead the kernel says with an ICMP error of its own, sooner or later: then silence is called a refusal. */
const sameSilence = (line: string): string =>
  line.replace(/^(fail pod\/(?:destination|service)\S*.*) REJECTED$/, '$1 UNREACHABLE')
