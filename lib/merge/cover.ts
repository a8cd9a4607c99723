/**
 * What failing pairs of nodes have in common: by greedy cover, a node, a zone or all. A group is only taken where every pair of it that was
 * asked fails, so that what it says holds; then those where most of them do; what is left stays single pairs. Pure.
 */
import type { NodePair } from '../types.ts'
import { compareText, groupedBy } from './lists.ts'
import { isAboutSize } from './pairs.ts'

/** What a pair suffers from: it is not reached, large packets are lost, or some of all. */
export type Trouble = 'unreached' | 'size' | 'loss'
export const TROUBLES: readonly Trouble[] = ['unreached', 'size', 'loss']

/**
 * to, from, node: all that this node is asked, asks, or both. every: all pairs. zone-to, zone-pair: from one zone to another, or both
 * ways. inside: the nodes of one zone with each other. zone: one zone with all others, both ways. zone-all: that, and inside it.
 * pairs: nothing in common.
 */
export type Scope = (typeof SCOPES)[number] | 'pairs'

/** Of scopes that explain as much, the first is taken: the most specific one. */
const SCOPES = ['to', 'from', 'node', 'every', 'zone-to', 'zone-pair', 'inside', 'zone', 'zone-all'] as const

export interface Group {
  readonly trouble: Trouble
  readonly scope: Scope
  /** The node or several of them (see `together`), the zone, or both zones; empty: all. */
  readonly of: readonly string[]
  readonly failing: readonly NodePair[]
  /** All pairs of the same scope, families and kinds that were looked at, those that fail too. */
  readonly asked: readonly NodePair[]
  /** Kind and family of what fails: "pods 4". */
  readonly cells: readonly string[]
  /** Every pair that was asked fails. */
  readonly whole: boolean
}

/** null: it does not tell (it was not looked at, or not even reached). */
export function suffers({ reached, code, mtu, between }: NodePair, trouble: Trouble): boolean | null {
  if (trouble === 'unreached') return reached === null ? null : !reached
  if (reached !== true) return null
  if (trouble === 'loss') return code === 'PACKET_LOSS'
  if (isAboutSize(code)) return true
  return between === 'pods' && mtu !== null ? false : null
}

export const cellOf = ({ between, family }: NodePair): string => `${between} ${family}`

/** Where not all fail, a scope is still taken when this share of at least so many pairs does. */
const MOSTLY = 0.75
const MOSTLY_OF = 4
/** Groups that are looked for one by one, each where most is left to explain, which takes time. */
const MOST_GROUPS = 8

/** The groups, those that explain most first. `zones`: the zone of each node. */
export function groupsOf(
  pairs: readonly NodePair[],
  zones: ReadonlyMap<string, string | null>,
  trouble: Trouble,
): Group[] {
  const told = pairs.filter((pair) => suffers(pair, trouble) !== null)
  const failing = new Set(told.filter((pair) => suffers(pair, trouble)))
  if (failing.size === 0) return []
  const buckets = bucketsOf(told, zones)
  const left = new Set(failing)
  const groups: Group[] = []
  const take = (candidates: readonly Bucket[], isTaken: IsTaken) => {
    for (let taken = 0; taken < MOST_GROUPS; taken++) {
      const best = bestOf(candidates, left, isTaken)
      if (best === null) break
      const { bucket, own, cells } = best
      for (const pair of own) left.delete(pair)
      const asked = bucket.pairs.filter((pair) => cells.includes(cellOf(pair)))
      const whole = asked.every((pair) => failing.has(pair))
      groups.push({ trouble, scope: bucket.scope, of: bucket.of, failing: own, asked, cells, whole })
    }
  }
  const failingWhole = buckets.flatMap(onlyWhere((pairs) => pairs.every((pair) => failing.has(pair))))
  take(failingWhole, () => true)
  // a whole pool of nodes: one after the other, in one go
  for (const one of failingWhole.filter(({ scope }) => isOfNode(scope)).toSorted((a, b) => sizeOf(b) - sizeOf(a)))
    take([one], () => true)
  // what another group explains says neither yes nor no
  const isOpen = (pair: NodePair) => left.has(pair) || !failing.has(pair)
  const mostly: IsTaken = (pairs, own) => own.length >= MOSTLY_OF && own.length >= MOSTLY * pairs.filter(isOpen).length
  take(buckets.flatMap(onlyWhere((pairs) => pairs.filter((pair) => left.has(pair)).length >= MOSTLY_OF)), mostly)
  if (left.size === 0) return groups
  const cells = [...new Set([...left].map(cellOf))].toSorted()
  const asked = told.filter((pair) => cells.includes(cellOf(pair)))
  return [...groups, { trouble, scope: 'pairs', of: [], failing: [...left], asked, cells, whole: false }]
}

/** What is about a node, not about a zone or all. */
export const isOfNode = (scope: Scope): boolean => scope === 'to' || scope === 'from' || scope === 'node'

const sizeOf = ({ byCell }: Bucket): number => [...byCell.values()].reduce((sum, { length }) => sum + length, 0)

interface Bucket {
  readonly scope: (typeof SCOPES)[number]
  readonly of: readonly string[]
  readonly pairs: readonly NodePair[]
  readonly byCell: ReadonlyMap<string, readonly NodePair[]>
}

function bucketsOf(pairs: readonly NodePair[], zones: ReadonlyMap<string, string | null>): Bucket[] {
  const placed = pairs.flatMap((pair) => placesOf(pair, zones).map(([scope, ...of]) => ({ scope, of, pair })))
  return [...groupedBy(placed, ({ scope, of }) => [scope, ...of].join('\n')).values()]
    .map((list): Bucket => {
      const [{ scope, of }] = list as [(typeof placed)[number]]
      const own = list.map(({ pair }) => pair)
      return { scope, of, pairs: own, byCell: groupedBy(own, cellOf) }
    })
    .toSorted(
      (a, b) => SCOPES.indexOf(a.scope) - SCOPES.indexOf(b.scope) || compareText(a.of.join('\n'), b.of.join('\n')),
    )
}

function placesOf(
  { from, to }: NodePair,
  zones: ReadonlyMap<string, string | null>,
): (readonly [Bucket['scope'], ...string[]])[] {
  const [here, there] = [zones.get(from) ?? null, zones.get(to) ?? null]
  const nodes = [['to', to], ['from', from], ['node', from], ['node', to], ['every']] as const
  if (here === null || there === null) return [...nodes]
  if (here === there) return [...nodes, ['inside', here], ['zone-all', here]]
  const [first = '', second = ''] = [here, there].toSorted(compareText)
  return [
    ...nodes,
    ...([
      ['zone-to', here, there],
      ['zone-pair', first, second],
    ] as const),
    ...[here, there].flatMap(
      (zone) =>
        [
          ['zone', zone],
          ['zone-all', zone],
        ] as const,
    ),
  ]
}

/** One pair says nothing about a node or a zone: it has two ends. */
const isTelling = ({ scope }: Bucket, own: readonly NodePair[]): boolean =>
  scope === 'every' || new Set(own.flatMap(({ from, to }) => [from, to])).size > 2

interface Best {
  readonly bucket: Bucket
  readonly own: readonly NodePair[]
  readonly cells: readonly string[]
}

/** `pairs`: all of a cell, `own`: those of them that nothing explains yet. */
type IsTaken = (pairs: readonly NodePair[], own: readonly NodePair[]) => boolean

/** The bucket with only those cells; nothing, where none is left. */
const onlyWhere =
  (holds: (pairs: readonly NodePair[]) => boolean) =>
  (bucket: Bucket): Bucket[] => {
    const byCell = new Map([...bucket.byCell].filter(([, pairs]) => holds(pairs)))
    return byCell.size === 0 ? [] : [{ ...bucket, byCell }]
  }

/** The bucket that explains most of what is left; null: none explains anything. */
function bestOf(buckets: readonly Bucket[], left: ReadonlySet<NodePair>, isTaken: IsTaken): Best | null {
  let best: Best | null = null
  for (const bucket of buckets) {
    const size = best?.own.length ?? 0
    if (bucket.pairs.length <= size) continue
    const taken = [...bucket.byCell].flatMap(([cell, pairs]) => {
      const own = pairs.filter((pair) => left.has(pair))
      return own.length > 0 && isTaken(pairs, own) ? [{ cell, own }] : []
    })
    const own = taken.flatMap((one) => one.own)
    if (own.length > size && isTelling(bucket, own)) {
      best = { bucket, own, cells: taken.map(({ cell }) => cell).toSorted() }
    }
  }
  return best
}
