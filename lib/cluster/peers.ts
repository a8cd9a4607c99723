/**
 * Who asks whom: each node asks `most` others, each is asked by as many, and each pair of zones is asked both ways. Linear in the
 * number of nodes, the same in every run, and hardly changed by a node that comes or goes.
 */
import { createHash } from 'node:crypto'

/** What is to be paired. */
export interface Placed {
  readonly node: string
  readonly zone: string | null
}

/**
 * By name of the asking node, the nodes that it asks, by name. Rendezvous hashing (Thaler and Ravishankar, 1998): every pair has a
 * weight of its own, each node asks those of highest weight; who is wanted by more than `most` keeps the highest and the others
 * go on to their next choice (deferred acceptance, Gale and Shapley, 1962), so that nobody is asked by many. Of two zones that
 * nobody asks across, the pair of highest weight is added.
 */
export function pairUp(nodes: readonly Placed[], most: number): ReadonlyMap<string, readonly string[]> {
  const names = nodes.map(({ node }) => node).toSorted()
  const asks = names.length - 1 <= most ? everybody(names) : accepted(names, most)
  addZonePairs(asks, nodes)
  return new Map([...asks].map(([name, others]) => [name, [...others].toSorted()]))
}

type Asks = Map<string, Set<string>>

const everybody = (names: readonly string[]): Asks =>
  new Map(names.map((name) => [name, new Set(names.filter((other) => other !== name))]))

function accepted(names: readonly string[], most: number): Asks {
  const hashes = names.map(hashOf)
  const weight = (from: number, to: number): number => mix(hashes[from] as number, hashes[to] as number)
  const choices = names.map((_, from) => ranked(names.length, from, (to) => weight(from, to)))
  const next = names.map(() => 0)
  /** Who asks a node, of those that it keeps. */
  const held = names.map((): number[] => [])
  const free = names.flatMap((_, index) => Array.from({ length: most }, () => index))
  for (let from = free.pop(); from !== undefined; from = free.pop()) {
    const to = choices[from]?.[next[from] as number]
    if (to === undefined) continue // everybody else has enough
    next[from] = (next[from] as number) + 1
    const own = held[to] as number[]
    own.push(from)
    if (own.length <= most) continue
    own.sort((a, b) => weight(b, to) - weight(a, to) || a - b)
    free.push(own.pop() as number)
  }
  const asks: Asks = new Map(names.map((name) => [name, new Set<string>()]))
  for (const [to, own] of held.entries())
    for (const from of own) asks.get(names[from] as string)?.add(names[to] as string)
  complete(asks, names, most)
  return asks
}

/** Everyone but `from`, by weight. */
function ranked(length: number, from: number, weight: (to: number) => number): Uint32Array {
  const weights = Float64Array.from({ length }, (_, to) => weight(to))
  return Uint32Array.from({ length }, (_, to) => to)
    .filter((to) => to !== from)
    .sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b)
}

/**
 * The last to choose may find only itself, or whom it asks already, with room: then a pair x asks y is opened, x asks the node
 * with room and y is asked by the one that still looks.
 */
function complete(asks: Asks, names: readonly string[], most: number): void {
  const askedBy = new Map(names.map((name) => [name, 0]))
  for (const others of asks.values()) for (const other of others) askedBy.set(other, (askedBy.get(other) ?? 0) + 1)
  for (const seeker of names) {
    const own = asks.get(seeker) as Set<string>
    while (own.size < most) {
      const room = names.find((name) => (askedBy.get(name) ?? 0) < most)
      const swap = room === undefined ? undefined : swapFor(asks, names, seeker, room)
      if (room === undefined || swap === undefined) break
      const [from, to] = swap
      asks.get(from)?.delete(to)
      asks.get(from)?.add(room)
      own.add(to)
      askedBy.set(room, (askedBy.get(room) ?? 0) + 1)
    }
  }
}

function swapFor(asks: Asks, names: readonly string[], seeker: string, room: string): [string, string] | undefined {
  const own = asks.get(seeker)
  for (const from of names) {
    const others = asks.get(from)
    if (from === room || from === seeker || !others || others.has(room)) continue
    const to = [...others].find((other) => other !== seeker && !own?.has(other))
    if (to !== undefined) return [from, to]
  }
  return undefined
}

function addZonePairs(asks: Asks, nodes: readonly Placed[]): void {
  const zones = new Map<string, string[]>()
  for (const { node, zone } of nodes) if (zone !== null) zones.set(zone, [...(zones.get(zone) ?? []), node])
  const zoneOf = new Map(nodes.map(({ node, zone }) => [node, zone]))
  const across = new Set(
    [...asks].flatMap(([from, others]) => [...others].map((to) => `${zoneOf.get(from)} ${zoneOf.get(to)}`)),
  )
  for (const [zone, own] of zones) {
    for (const [other, theirs] of zones) {
      if (zone === other || across.has(`${zone} ${other}`)) continue
      const [from, to] = heaviest(own, theirs)
      asks.get(from)?.add(to)
    }
  }
}

function heaviest(own: readonly string[], theirs: readonly string[]): [string, string] {
  const pairs = own.flatMap((from) =>
    theirs.map((to): [string, string, number] => [from, to, mix(hashOf(from), hashOf(to))]),
  )
  const [from = '', to = ''] = pairs.reduce((best, one) => (one[2] > best[2] ? one : best))
  return [from, to]
}

const hashOf = (name: string): number => createHash('sha256').update(name).digest().readUInt32BE(0)

/** Of two hashes a third that depends on their order: the finalizer of MurmurHash3. */
function mix(from: number, to: number): number {
  let hash = Math.imul(from, 0x9e3779b1) ^ to
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
