/** Every verdict on a path MTU, on a real dual-stack cluster, over both families: the code, the exact size and the remedy. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../lib/types.ts'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'

import { netnsPath, run } from '../bed/namespace.ts'
import { random } from '../lab/icmp-bed.ts'
import { linesOf } from './faults.ts'
import { expectHealthy } from './healthy.ts'
import { nodes, podsOf } from './injection.ts'
import { type Measured, type MtuFault, mtuFaults } from './mtu-faults.ts'
import { podNamespace } from './packets.ts'
import { checkOf, runSuite, troubles } from './suite.ts'

const { E2E_SEED } = process.env
const seed = E2E_SEED === undefined ? Date.now() % 1_000_000 : Number(E2E_SEED)
console.log(`sizes of the path MTU faults: E2E_SEED=${seed}`)

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'e2e' })
})
afterAll(() => cluster?.stop())

test.each(mtuFaults(random(seed)).map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
  try {
    await fault.inject(cluster)
    const suite = await runSuite(cluster, fault.env ? { env: fault.env } : {})
    expect(troubles(suite.report), suite.output).toEqual(fault.expect.troubles.flatMap(linesOf).sort())
    expect(suite.exitCode).toBe(fault.expect.exitCode)
    expect(measuredBy(suite.report, fault), suite.output).toEqual(fault.measured.flatMap(sizes))
    if (fault.remedy)
      expect(hints(suite.report)).toSatisfy((all: string[]) => all.every((one) => fault.remedy?.test(one)))
    expect((await cluster.pods()).filter((pod) => !pod.ready)).toEqual([])
  } finally {
    await fault.undo(cluster)
    await forgetPaths()
  }
})

/** What the kernels have learned of paths meanwhile is theirs for ten minutes. */
async function forgetPaths(): Promise<void> {
  const { first } = nodes(cluster)
  const [source] = await podsOf(cluster, 'bbox', first.name)
  const names = [...cluster.nodes.map(({ namespace }) => namespace), cluster.underlay.router]
  const paths = [podNamespace(first, source?.uid ?? ''), ...names.map(netnsPath)]
  for (const path of paths)
    for (const family of ['-4', '-6']) run('nsenter', [`--net=${path}`, 'ip', family, 'route', 'flush', 'cache'])
}

test('is green again when every fault has been taken back', async () => {
  expectHealthy(await runSuite(cluster), 'dual')
})

const sizes = ({ check, row, mtu, families = [4, 6] }: Measured) => families.map((family) => [check, row, family, mtu])

/** What the report says of the paths that the fault names. */
function measuredBy(report: Report, { measured }: MtuFault) {
  return measured.flatMap(({ check, row, families = [4, 6] }) =>
    families.map((family) => {
      const result = report.results.find((one) => checkOf(one) === check && one.row === row && one.family === family)
      const path = result?.evidence.find((item) => item.kind === 'path')
      return [check, row, family, path?.kind === 'path' ? path.mtu?.measured : undefined]
    }),
  )
}

/** Remedies of the path MTU checks that are not green. */
const hints = (report: Report): string[] =>
  report.results
    .filter(({ verdict, code }) => (verdict === 'fail' || verdict === 'warn') && code?.startsWith('PATH_MTU'))
    .filter(({ file }) => !file.endsWith('mtu-way-back.test.ts'))
    .map(({ hint }) => hint ?? '')
