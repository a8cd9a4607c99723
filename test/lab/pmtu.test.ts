/** Path MTU over real routers: exact where the path says so, a black hole where it does not, never a wrong number. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { judgePathMtu, pathMtu } from '../../lib/probe/pmtu/index.ts'
import type { Family, Target } from '../../lib/types.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { B, type Chain, makeChain, R, random } from './icmp-bed.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
let chain: Chain

beforeAll(async () => {
  console.log(`seed ${seed}`)
  chain = makeChain(`icp${process.pid}`)
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => chain?.remove())
beforeEach(() => {
  chain.clear()
  chain.nearMtu(1500)
  chain.farMtu(1500)
})

const target = (family: Family, address: string = B[family]): Target => ({
  role: 'the target',
  name: 'b',
  address,
  family,
})
const measure = (family: Family, promised = 1500, budgetMs?: number) =>
  pathMtu(target(family), { promised, linkMtu: promised, ...(budgetMs === undefined ? {} : { budgetMs }) })

describe.for([4, 6] as const)('IPv%i', (family) => {
  test('a healthy path is ok with very few probes', async () => {
    const near = pick(1300, 9000)
    chain.nearMtu(near)
    chain.farMtu(near)
    const path = await measure(family, near)
    expect(path).toMatchObject({ state: 'ok', mtu: near, signalledBy: null, error: null })
    expect(path.probesSent).toBeLessThanOrEqual(3)
    expect(path.ms).toBeLessThan(60)
  })

  test('a lower MTU that the router signals is exact, also when the kernel has learned it', async () => {
    const far = pick(1280, 1499)
    chain.farMtu(far)
    for (const round of ['first', 'with a cached exception']) {
      const path = await measure(family)
      expect(path, round).toMatchObject({
        state: 'lower-signalled',
        mtu: far,
        signalledBy: R[family],
        signalledMtu: far,
        smallestLost: far + 1,
      })
      expect(path.ms).toBeLessThan(100)
    }
    expect(ip(`-n ${chain.a} route get ${B[family]}`)).toContain(`mtu ${far}`)
  })

  test('a black hole is found exactly and in time', async () => {
    const far = pick(1280, 1480)
    chain.forward(`meta length gt ${far} drop`)
    const path = await measure(family)
    expect(path).toMatchObject({
      state: 'black-hole',
      mtu: far,
      largestPass: far,
      smallestLost: far + 1,
      signalledBy: null,
    })
    expect(path.ms).toBeLessThan(1500)
    expect(judgePathMtu(path, { insideCluster: true })).toMatchObject({ ok: false, code: 'PATH_MTU_BLACK_HOLE' })
  })
})
