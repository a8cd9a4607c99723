import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pairUp } from '../../../lib/cluster/peers.ts'

const nodes = (count: number, zone: (index: number) => string | null = () => null) =>
  Array.from({ length: count }, (_, index) => ({ node: `n${index}`, zone: zone(index) }))

const askedBy = (asks: ReadonlyMap<string, readonly string[]>): Map<string, number> => {
  const count = new Map([...asks.keys()].map((name) => [name, 0]))
  for (const others of asks.values()) for (const other of others) count.set(other, (count.get(other) ?? 0) + 1)
  return count
}

describe('pairUp', () => {
  it('lets a small cluster ask every pair', () => {
    expect(pairUp(nodes(3), 4)).toEqual(
      new Map([
        ['n0', ['n1', 'n2']],
        ['n1', ['n0', 'n2']],
        ['n2', ['n0', 'n1']],
      ]),
    )
    expect(pairUp(nodes(1), 4)).toEqual(new Map([['n0', []]]))
    expect(pairUp([], 4)).toEqual(new Map())
  })

  it('lets each node ask, and be asked by, exactly so many others, never itself, in any order of the nodes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 1, max: 8 }), (count, most) => {
        const all = nodes(count)
        const asks = pairUp(all, most)
        const wanted = Math.min(most, count - 1)
        for (const [name, others] of asks) {
          expect(others).toHaveLength(wanted)
          expect(new Set(others).size).toBe(wanted)
          expect(others).not.toContain(name)
        }
        expect([...askedBy(asks).values()]).toEqual(all.map(() => wanted))
        expect(pairUp(all.toReversed(), most)).toEqual(asks)
      }),
      { numRuns: 150 },
    )
  })

  it('asks across every pair of zones, both ways', () => {
    const all = nodes(90, (index) => `zone-${index % 9}`)
    const zoneOf = new Map(all.map(({ node, zone }) => [node, zone]))
    const across = new Set(
      [...pairUp(all, 1)].flatMap(([from, others]) => others.map((to) => `${zoneOf.get(from)} ${zoneOf.get(to)}`)),
    )
    for (let a = 0; a < 9; a++) for (let b = 0; b < 9; b++) if (a !== b) expect(across).toContain(`zone-${a} zone-${b}`)
  })

  it('changes little when a node comes', () => {
    const before = pairUp(nodes(100), 4)
    const after = pairUp(nodes(101), 4)
    const kept = [...before].flatMap(([from, others]) => others.filter((to) => after.get(from)?.includes(to)))
    expect(kept.length).toBeGreaterThan(0.8 * 400)
  })

  it('pairs 1,000 nodes within seconds', () => {
    const started = performance.now()
    const asks = pairUp(nodes(1000), 4)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect([...askedBy(asks).values()]).toEqual(Array.from({ length: 1000 }, () => 4))
  })
})
