/** 100 paths at random, 100 exact values: no constant and no guess from a list of usual MTUs could pass. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { pathMtu } from '../../lib/probe/pmtu/index.ts'
import { eachWithin } from '../../lib/probe/pool.ts'
import type { Target } from '../../lib/types.ts'
import { netnsPath } from '../bed/namespace.ts'
import { type Chain, makeChain, type PathPlan, R, random } from './icmp-bed.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
const RUNS = 100
const AT_ONCE = 10
const KINDS = ['healthy', 'signalled', 'black-hole'] as const

let chain: Chain
beforeAll(async () => {
  console.log(`seed ${seed}`)
  chain = makeChain(`icr${process.pid}`)
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => chain?.remove())

const planOf = (lowest: number, highest: number): PathPlan => ({
  family: pick(0, 1) === 0 ? 4 : 6,
  kind: KINDS[pick(0, 2)] ?? 'healthy',
  mtu: pick(lowest, highest),
})

/** Measures them all over links of `linkMtu` bytes; a healthy path is promised its own MTU, the others the link's. */
async function measureAll(plans: readonly PathPlan[], linkMtu: number): Promise<void> {
  chain.nearMtu(linkMtu)
  chain.farMtu(linkMtu)
  const targets = chain.paths(plans)
  const paths = await eachWithin(
    plans.map((plan, run) => ({ plan, target: targets[run] as Target })),
    ({ plan: { kind, mtu }, target }) => pathMtu(target, { promised: kind === 'healthy' ? mtu : linkMtu, linkMtu }),
    AT_ONCE,
  )
  const measured = paths.map(({ target, mtu, state, signalledBy }) => ({ at: target.name, mtu, state, signalledBy }))
  const expected = plans.map(({ family, kind, mtu }, run) => ({
    at: `path ${run}`,
    mtu,
    state: { healthy: 'ok', signalled: 'lower-signalled', 'black-hole': 'black-hole' }[kind],
    signalledBy: kind === 'signalled' ? R[family] : null,
  }))
  expect(measured, `seed ${seed}`).toEqual(expected)
}

test('100 random paths between 1280 and 9000 bytes have their exact MTU measured', async () => {
  await measureAll(
    Array.from({ length: RUNS }, () => planOf(1280, 8999)),
    9000,
  )
})

test('20 random jumbo paths between 9001 and 65,534 bytes have their exact MTU measured', async () => {
  await measureAll(
    Array.from({ length: 20 }, () => planOf(9001, 65_534)),
    65_535,
  )
})

test('20 random IPv4 paths between 576 and 1279 bytes have their exact MTU measured', async () => {
  await measureAll(
    Array.from({ length: 20 }, () => ({ ...planOf(576, 1279), family: 4 as const })),
    1500,
  )
})
