/** Two independent faults at once: both must be named, unless the report says that one hides what the other does. */
import type { Finding } from '../../../lib/types.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { runSuite } from '../suite.ts'
import type { Draw, Entry } from './entry.ts'
import { forgetPaths } from './trial.ts'

export type Pair = readonly [Entry, Entry]

export interface Pairing {
  readonly pair: Pair
  readonly named: readonly [boolean, boolean]
  /** What a finding says cannot be seen until it is mended; null: nothing. */
  readonly hidden: string | null
  readonly falseFindings: readonly string[]
  readonly complaints: readonly string[]
}

/** Of those that hide nothing of each other, as many as there are of those that may. */
const HIDING_SHARE = 4

/**
 * `count` pairs of different classes and places, no entry twice: most of them touch nothing in common, so both can be seen; each fourth
 * pair touches something in common. Settings of the runs must not contradict each other.
 */
export function drawPairs(entries: readonly Entry[], count: number, pick: Draw): readonly Pair[] {
  const pool = entries.filter(({ root, place }) => root.length > 0 && place !== 'setting')
  const used = new Set<Entry>()
  const pairs: Pair[] = []
  for (let tries = 0; pairs.length < count && tries < 100_000; tries++) {
    const [one, other] = [pool[pick(0, pool.length - 1)], pool[pick(0, pool.length - 1)]]
    if (!one || !other || one === other || used.has(one) || used.has(other)) continue
    const inCommon = one.touches.some((touched) => other.touches.includes(touched))
    if (inCommon !== (pairs.length % HIDING_SHARE === HIDING_SHARE - 1)) continue
    if (one.class === other.class || (one.place === other.place && one.place !== 'node')) continue
    if (collide(one, other) || misses(one, other) || misses(other, one)) continue
    for (const entry of [one, other]) used.add(entry)
    pairs.push([one, other])
  }
  return pairs
}

/** Who asks is changed by one of them, and the other is made for who asks otherwise. */
const misses = ({ env = {} }: Entry, { env: others = {}, place }: Entry): boolean => {
  const [{ SRC_POD: asking }, { SRC_POD: expected }] = [env, others]
  return asking !== undefined && asking !== expected && (place === 'node' || place === 'pod')
}

const collide = (one: Entry, other: Entry): boolean =>
  Object.entries(one.env ?? {}).some(([name, value]) => (other.env?.[name] ?? value) !== value)

/** null: they cannot be made at once, as when both put rules into one chain. */
export async function tryPair(cluster: Cluster, pair: Pair): Promise<Pairing | null> {
  const [one, other] = pair
  const made: Entry[] = []
  try {
    for (const entry of pair) {
      if (!(await isMade(cluster, entry))) return null
      made.unshift(entry)
    }
    const { report } = await runSuite(cluster, { env: { ...one.env, ...other.env } })
    return judgePair(pair, report.findings)
  } finally {
    for (const entry of made) await entry.undo(cluster)
    await forgetPaths(cluster)
  }
}

const isMade = (cluster: Cluster, entry: Entry): Promise<boolean> =>
  entry.inject(cluster).then(
    () => true,
    () => false,
  )

/** What the findings say of both. */
export function judgePair(pair: Pair, findings: readonly Finding[]): Pairing {
  const of = ({ root, names }: Entry, { code, cause }: Finding) => root.includes(code) && (names?.test(cause) ?? true)
  const naming = ([one, other]: Pair) =>
    [findings.filter((each) => of(one, each)), findings.filter((each) => of(other, each))] as const
  const [first, second] = naming(pair)
  // where one finding serves both, it speaks of one of them
  const together = new Set([...first, ...second])
  const named: readonly [boolean, boolean] = [
    first.length > 0,
    second.length > 0 && (first.length === 0 || together.size > 1),
  ]
  const hidden = findings.find(({ hides }) => hides !== null)?.hides ?? null
  const allowed = pair.flatMap(({ root, also }) => [...root, ...(also ?? [])])
  const falseFindings = findings.filter(({ code }) => !allowed.includes(code))
  const unnamed = pair.filter((_, index) => !named[index])
  return {
    ...{ pair, named, hidden },
    falseFindings: falseFindings.map(({ code }) => code),
    complaints: [
      ...(hidden === null ? unnamed.map(({ name }) => `not named, and nothing is said to hide it: ${name}`) : []),
      ...(findings.length === 0 || unnamed.length === 2 ? ['neither is named'] : []),
      ...falseFindings.map(({ code, cause }) => `false finding: ${code} (${cause})`),
    ],
  }
}
