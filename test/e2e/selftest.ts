/**
 * `npm run selftest`: every fault of the catalogue, then pairs of faults at once; writes test/selftest.md. Ends with 1 where the suite is not
 * as good as it must be. Options: `--only REGEXP` (faults by class, place and name; writes nothing), `--pairs N`, `--healthy N` (that many healthy
 * runs with traffic around them, and no fault). E2E_SEED: what is drawn is drawn from it.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { random } from '../lab/icmp-bed.ts'
import { catalogue, keyOf, seedOf } from './catalogue/index.ts'
import { drawPairs, type Pairing, tryPair } from './catalogue/pairs.ts'
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
  },
})
const seed = seedOf(process.env)
console.log(`E2E_SEED=${seed}`)

const complain = (complaints: readonly string[]) => {
  for (const complaint of complaints) console.log(`      ${complaint}`)
}

/** What is left of a fault would be blamed on the next one. */
async function mustBeGreen(cluster: Cluster, after: string): Promise<void> {
  const { report, exitCode } = await runSuite(cluster)
  if (exitCode !== 0 || report.findings.length > 0 || troubles(report).length > 0)
    throw new Error(`not green after "${after}" was taken back: ${troubles(report).join('; ')}`)
}

async function tryAll(cluster: Cluster): Promise<readonly Trial[]> {
  const only = values.only === undefined ? null : new RegExp(values.only)
  const trials: Trial[] = []
  for (const entry of catalogue(seed).filter((one) => only?.test(keyOf(one)) ?? true)) {
    const trial = await tryOut(cluster, entry)
    trials.push(trial)
    console.log(
      `${trial.complaints.length === 0 ? 'ok    ' : 'WRONG '}${keyOf(entry)} (${Math.round(trial.seconds)} s)`,
    )
    complain(trial.complaints)
    if (trial.remedyWorks === false) await mustBeGreen(cluster, keyOf(entry))
  }
  return trials
}

async function tryPairs(cluster: Cluster): Promise<readonly Pairing[]> {
  const pairings: Pairing[] = []
  for (const pair of drawPairs(catalogue(seed), Number(values.pairs), random(seed))) {
    const pairing = await tryPair(cluster, pair)
    pairings.push(pairing)
    console.log(`${pairing.complaints.length === 0 ? 'ok    ' : 'WRONG '}${pair.map(keyOf).join(' + ')}`)
    complain(pairing.complaints)
  }
  return pairings
}

const cluster = await startCluster({ prefix: 'self' })
try {
  if (values.healthy !== undefined) {
    process.exitCode = (await endure(cluster, Number(values.healthy), seed)) ? 0 : 1
  } else {
    const trials = await tryAll(cluster)
    const pairings = values.only === undefined ? await tryPairs(cluster) : []
    await mustBeGreen(cluster, 'everything')
    const score = scoreOf(trials)
    if (values.only === undefined) writeFileSync(DOCUMENT, documentOf(seed, trials, pairings))
    console.log(`\n${tableOf(trials)}\n`, score)
    process.exitCode = passes(score) && pairings.every(({ complaints }) => complaints.length === 0) ? 0 : 1
  }
} finally {
  await cluster.stop()
}
