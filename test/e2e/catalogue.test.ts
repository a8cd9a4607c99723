/**
 * One fault of some classes of the catalogue, both drawn from a seed (E2E_SEED; E2E_CLASSES: of how many): found, its cause first, the
 * remedy works, every failure explained, nothing false. All of them: `npm run selftest`.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { random } from '../lab/icmp-bed.ts'
import { oneOf } from './catalogue/entry.ts'
import { catalogue, classesOf, keyOf, seedOf } from './catalogue/index.ts'
import { tryOut } from './catalogue/trial.ts'
import { expectHealthy } from './healthy.ts'
import { runSuite } from './suite.ts'

const { E2E_SEED = '261064', E2E_CLASSES = '8' } = process.env
const seed = seedOf({ E2E_SEED })
console.log(`one fault of each of ${E2E_CLASSES} classes: E2E_SEED=${E2E_SEED}`)
const pick = random(seed)
const order = random(seed + 1)
const drawn = classesOf(catalogue(seed))
  .map((entries) => ({ entry: oneOf(pick, entries), place: order(0, 1_000_000) }))
  .toSorted((a, b) => a.place - b.place)
  .slice(0, Number(E2E_CLASSES))
  .map(({ entry }) => entry)

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ prefix: 'e2e' })
})
afterAll(() => cluster?.stop())

test.each(drawn.map((entry) => [keyOf(entry), entry] as const))('%s', async (_, entry) => {
  expect((await tryOut(cluster, entry)).complaints).toEqual([])
})

test('is green again when every fault has been taken back', async () => {
  expectHealthy(await runSuite(cluster), 'dual')
})
