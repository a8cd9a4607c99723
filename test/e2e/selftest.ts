/**
 * `npm run selftest`: every fault of the catalogue, then pairs of faults at once; writes test/selftest.md. Ends with 1 where the suite is not
 * as good as it must be. Options: `--only REGEXP` (faults by class, place and name; writes nothing), `--pairs N`, `--healthy N` (that many healthy
 * runs with traffic around them, and no fault; writes test/healthy.md), `--clusters N` (on so many at once). E2E_SEED: what is drawn is
 * drawn from it.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { random } from '../lab/icmp-bed.ts'
import type { Entry } from './catalogue/entry.ts'
import { catalogue, keyOf, seedOf } from './catalogue/index.ts'
import { drawPairs, type Pair, type Pairing, tryPair } from './catalogue/pairs.ts'
import { documentOf, passes, scoreOf, tableOf } from './catalogue/table.ts'
import { type Trial, tryOut } from './catalogue/trial.ts'
import { endure } from './endure.ts'
import { runSuite, troubles } from './suite.ts'

const DOCUMENT = fileURLToPath(new URL('../selftest.md', import.meta.url))

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    pairs: { type: 'string', default: '20' },
    healthy: { type: 'string' },
    clusters: { type: 'string', default: '1' },
  },
})
const seed = seedOf(process.env)
console.log(`E2E_SEED=${seed}`)

const complain = (complaints: readonly string[]) => {
  for (const complaint of complaints) console.log(`      ${complaint}`)
}

/** What is left of a fault would be blamed on the next one: a cluster that is not green is made anew. */
async function greenAfter(cluster: Cluster, what: string): Promise<Cluster> {
  const { report, exitCode } = await runSuite(cluster)
  if (exitCode === 0 && report.findings.length === 0 && troubles(report).length === 0) return cluster
  console.log(`NOT GREEN after "${what}" was taken back, the cluster is made anew`)
  complain(troubles(report))
  await cluster.stop()
  return startCluster({ prefix: cluster.prefix })
}

/** Each of them on whichever cluster is free; results in the order of the list. Who must mend a cluster puts another one in its place. */
async function onAny<T, R>(
  clusters: Cluster[],
  list: readonly T[],
  work: (cluster: Cluster, one: T) => Promise<readonly [R, Cluster]>,
): Promise<readonly R[]> {
  const waiting = [...list.entries()]
  const done: R[] = []
  await Promise.all(
    clusters.map(async (_, at) => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [result, cluster] = await work(clusters[at] as Cluster, next[1])
        done[next[0]] = result
        clusters[at] = cluster
      }
    }),
  )
  return done
}

async function tryOne(cluster: Cluster, entry: Entry): Promise<readonly [Trial, Cluster]> {
  const trial = await tryOut(cluster, entry)
  console.log(`${trial.complaints.length === 0 ? 'ok    ' : 'WRONG '}${keyOf(entry)} (${Math.round(trial.seconds)} s)`)
  complain(trial.complaints)
  return [trial, trial.remedyWorks === false ? await greenAfter(cluster, keyOf(entry)) : cluster]
}

async function tryTwo(cluster: Cluster, pair: Pair): Promise<readonly [Pairing | null, Cluster]> {
  const pairing = await tryPair(cluster, pair)
  const both = pair.map(keyOf).join(' + ')
  if (pairing === null) {
    console.log(`(not at once: ${both})`)
    return [null, await greenAfter(cluster, both)]
  }
  console.log(`${pairing.complaints.length === 0 ? 'ok    ' : 'WRONG '}${both}`)
  complain(pairing.complaints)
  return [pairing, pairing.complaints.length === 0 ? cluster : await greenAfter(cluster, both)]
}

/** So many pairs; for those that cannot be made at once others are drawn. */
async function tryPairs(clusters: Cluster[], wanted: number): Promise<readonly Pairing[]> {
  const drawn = [...drawPairs(catalogue(seed), 2 * wanted, random(seed))]
  const pairings: Pairing[] = []
  while (pairings.length < wanted && drawn.length > 0) {
    const tried = await onAny(clusters, drawn.splice(0, wanted - pairings.length), tryTwo)
    pairings.push(...tried.filter((one) => one !== null))
  }
  return pairings
}

/** Whether the suite did as well as it must. */
async function tryAll(clusters: Cluster[]): Promise<boolean> {
  const only = values.only === undefined ? null : new RegExp(values.only)
  const entries = catalogue(seed).filter((one) => only?.test(keyOf(one)) ?? true)
  const trials = await onAny(clusters, entries, tryOne)
  const pairings = only === null ? await tryPairs(clusters, Number(values.pairs)) : []
  const score = scoreOf(trials)
  if (only === null) writeFileSync(DOCUMENT, documentOf(seed, trials, pairings))
  console.log(`\n${tableOf(trials)}\n`, score)
  return passes(score) && pairings.every(({ complaints }) => complaints.length === 0)
}

/** One after the other: two that start at once would wait for the same build. */
async function startAll(count: number): Promise<Cluster[]> {
  const started: Cluster[] = []
  try {
    for (let i = 0; i < count; i++) started.push(await startCluster({ prefix: `slf${i}` }))
    return started
  } catch (error) {
    await Promise.all(started.map((cluster) => cluster.stop()))
    throw error
  }
}

const clusters = await startAll(values.healthy === undefined ? Number(values.clusters) : 1)
try {
  const [first] = clusters
  if (!first) throw new Error(`--clusters ${values.clusters}: at least one is needed`)
  const good = values.healthy === undefined ? await tryAll(clusters) : await endure(first, Number(values.healthy), seed)
  process.exitCode = good ? 0 : 1
} finally {
  await Promise.all(clusters.map((cluster) => cluster.stop()))
}
