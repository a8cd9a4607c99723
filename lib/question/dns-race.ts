/**
 * The race of A and AAAA: two datagrams of one socket meet conntrack at the same time, and one of them is dropped
 * (insert_failed). What single queries lose too is not that race.
 */
import { given } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import { readConntrack } from '../node/conntrack.ts'
import type { Counters } from '../node/counters.ts'
import { libcInNamespace } from '../node/libc.ts'
import { type BurstResult, burst } from '../probe/dns-burst.ts'
import { allOf } from '../probe/judge.ts'
import type { Evidence, Outcome, Plan, Target } from '../types.ts'
import type { DnsAnswer } from './dns.ts'
import { clusterNameservers, kubernetesName, nameserver } from './dns-names.ts'
import { families, question } from './question.ts'

/** Pairs from every nameserver of the pod. */
export const dnsRace = question('pod', families, async (plan, row): Promise<DnsAnswer> => {
  const { name } = kubernetesName(plan)
  const targets = clusterNameservers(plan, row).map((address) => nameserver(address, 'udp'))
  const evading = given(given(plan.source).resolv).options.find((option) => EVADING.has(option))
  if (evading && libcInNamespace(given(plan.source).netns) !== 'musl') {
    throw new NotApplicable(`needs a resolver that sends A and AAAA together, the pod's resolv.conf says ${evading}`)
  }
  const asked = await Promise.allSettled(targets.map((target) => race(plan, target, name)))
  const outcomes = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const [first] = asked
  if (outcomes.length === 0 && first?.status === 'rejected') throw first.reason
  return { targets, answered: allOf(outcomes) }
})

/** Options of glibc with which the two queries never leave one socket at the same time. */
const EVADING: ReadonlySet<string> = new Set(['single-request', 'single-request-reopen', 'use-vc'])

/** Sockets a round. */
const PAIRS = 20

/** One round of pairs, and of as many single queries of each type. */
export interface Round {
  readonly pairs: readonly BurstResult[]
  /** How far conntrack's statistics of the node moved meanwhile; null: it keeps none. */
  readonly duringPairs: Counters | null
  readonly singles: readonly BurstResult[]
  readonly duringSingles: Counters | null
}

async function race(plan: Plan, target: Target, name: string): Promise<Outcome<void>> {
  const first = await watched(() => burst(target, name, ['A', 'AAAA'], PAIRS))
  if (lostOf(first.results).length === 0) return calm(target, first.results)
  if (first.results.every(({ fates }) => fates.every((fate) => fate === 'never'))) {
    throw new NotApplicable(`needs a nameserver that answers, ${target.address} answered none of ${PAIRS} pairs`)
  }
  const rounds = [await completed(target, name, first)]
  rounds.push(await completed(target, name, await watched(() => burst(target, name, ['A', 'AAAA'], PAIRS))))
  return judgeRace(target, rounds, plan.node.name)
}

interface Watched {
  readonly results: readonly BurstResult[]
  readonly moved: Counters | null
}

async function watched(work: () => Promise<readonly BurstResult[]>): Promise<Watched> {
  // Vitest's main process, this one's parent, lives in the node's namespace
  const before = readConntrack(process.ppid)
  const results = await work()
  const after = readConntrack(process.ppid)
  const moved = before && after && Object.fromEntries(RACE_COUNTERS.map((name) => [name, delta(before, after, name)]))
  return { results, moved }
}

/** Columns that count packets which conntrack dropped. */
const RACE_COUNTERS = ['insert_failed', 'drop'] as const
const delta = (before: Counters, after: Counters, name: string) => (after[name] ?? 0) - (before[name] ?? 0)

async function completed(target: Target, name: string, pairs: Watched): Promise<Round> {
  const singles = await watched(async () =>
    (await Promise.all((['A', 'AAAA'] as const).map((type) => burst(target, name, [type], PAIRS)))).flat(),
  )
  return {
    pairs: pairs.results,
    duringPairs: pairs.moved,
    singles: singles.results,
    duringSingles: singles.moved,
  }
}

const lostOf = (results: readonly BurstResult[]): BurstResult[] =>
  results.filter(({ fates }) => fates.some((fate) => fate !== 'first'))

/** One of a pair is lost while the other is answered: what the race does. */
const halfLost = (results: readonly BurstResult[]): number =>
  lostOf(results).filter(({ fates }) => fates.includes('first')).length

function calm({ address }: Target, results: readonly BurstResult[]): Outcome<void> {
  const values = results.flatMap(({ ms }) => ms ?? [])
  const detail = `${address} answered both queries of ${results.length} pairs, the last after ${Math.max(...values)} ms`
  return {
    ok: true,
    value: undefined,
    detail,
    evidence: [{ kind: 'samples', name: 'time to both answers', values, unit: 'ms' }],
  }
}

/** In each round so large a part of the pairs: with 2 % of all packets lost that is less than one run in a million. */
const PATTERN = 2 / 5
/** So many single queries may be lost meanwhile. */
const MOST_SINGLE_LOSS = 1 / 20
/** So many pairs are no coincidence where conntrack counted each of them, and none while single queries were sent. */
const LEAST_COUNTED = 3

/**
 * A race: one of the two queries of a pair is lost in a steady part of all pairs while single queries arrive; or in fewer, when
 * conntrack counts each. Losses that single queries share prove nothing here. Throws NotApplicable where those are as many. Pure.
 */
export function judgeRace(target: Target, rounds: readonly Round[], node: string): Outcome<void> {
  const pairs = rounds.flatMap((round) => round.pairs)
  const singles = rounds.flatMap((round) => round.singles)
  const lost = rounds.reduce((total, round) => total + halfLost(round.pairs), 0)
  const alone = lostOf(singles).length
  const counted = counterSum(rounds.map(({ duringPairs }) => duringPairs))
  const noise = counterSum(rounds.map(({ duringSingles }) => duringSingles))
  const said = `${lost} of ${pairs.length} pairs of an A and an AAAA query to ${target.address} lost one of them, ${alone} of ${singles.length} single queries were lost`
  const steady = rounds.every((round) => halfLost(round.pairs) >= round.pairs.length * PATTERN)
  const pattern = steady && alone <= singles.length * MOST_SINGLE_LOSS
  const proven = counted !== null && noise === 0 && alone === 0 && lost >= LEAST_COUNTED && counted >= lost
  if (pattern || proven) {
    const stat =
      counted === null ? '' : `; insert_failed and drop of node ${node}'s conntrack moved by ${counted} meanwhile`
    const repeated = pairs.filter(({ fates }) => fates.includes('repeat')).length
    const after = repeated > 0 ? `; ${repeated} were answered when asked again a second later` : ''
    const answers = [{ target, code: 'DNS_RACE', said: `${lost} of ${pairs.length} pairs lost a query`, ms: null }]
    return { ok: false, code: 'DNS_RACE', detail: `${said}${stat}${after}`, evidence: evidenceOf(rounds), answers }
  }
  if (alone > singles.length * MOST_SINGLE_LOSS)
    throw new NotApplicable(`needs a nameserver that answers single queries, ${said}`)
  return { ok: true, value: undefined, detail: said, evidence: evidenceOf(rounds) }
}

function counterSum(moved: readonly (Counters | null)[]): number | null {
  if (moved.some((one) => one === null)) return null
  return moved.reduce((total, one) => total + RACE_COUNTERS.reduce((sum, name) => sum + (one?.[name] ?? 0), 0), 0)
}

function evidenceOf(rounds: readonly Round[]): readonly Evidence[] {
  const rows = rounds.flatMap(({ pairs, duringPairs, singles, duringSingles }) => [
    ['pairs', pairs.length, lostOf(pairs).length, ...RACE_COUNTERS.map((name) => duringPairs?.[name] ?? null)],
    [
      'single queries',
      singles.length,
      lostOf(singles).length,
      ...RACE_COUNTERS.map((name) => duringSingles?.[name] ?? null),
    ],
  ])
  return [{ kind: 'table', name: 'what was lost', columns: ['sent', 'number', 'lost', ...RACE_COUNTERS], rows }]
}
