/** Loss is not MTU: 100 random paths at each rate of loss, families and kinds in turn. A wrong number fails at once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { pathMtu } from '../../lib/probe/pmtu/index.ts'
import { netnsPath } from '../bed/namespace.ts'
import { type Chain, makeChain, type PathPlan, pooled, random } from './icmp-bed.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
const RUNS = 100
/** Each has sockets and packets of its own; 25 at once keep two cores half busy. */
const AT_ONCE = 25
const LINK_MTU = 9000

let chain: Chain
beforeAll(async () => {
  chain = makeChain(`icl${process.pid}`)
  chain.nearMtu(LINK_MTU)
  chain.farMtu(LINK_MTU)
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => chain?.remove())

test.for([
  { loss: 10, exactAtLeast: 95 },
  { loss: 30, exactAtLeast: 70 },
])(
  'with $loss % lost there and as much back, $exactAtLeast of 100 values are exact and none is wrong',
  async ({ loss, exactAtLeast }) => {
    const plans = Array.from({ length: RUNS }, (_, run): PathPlan => {
      const kind = run % 4 < 2 ? 'signalled' : 'black-hole'
      return { family: run % 2 === 0 ? 4 : 6, kind, mtu: pick(1280, LINK_MTU - 1) }
    })
    const targets = chain.paths(plans)
    chain.lose(loss)
    const paths = await pooled(targets, AT_ONCE, (target) => pathMtu(target, { promised: LINK_MTU, linkMtu: LINK_MTU }))

    let exact = 0
    for (const [run, path] of paths.entries()) {
      const plan = plans[run]
      const said = `seed ${seed}, run ${run}: ${JSON.stringify({ plan, path })}`
      if (path.mtu === null) {
        // No number: then it says so, and says how much was lost (both ways, and by chance).
        expect(path.state, said).toBe('inconclusive')
        expect(path.loss, said).toBeGreaterThan(loss / 100)
      } else {
        expect(path.mtu, said).toBe(plan?.mtu)
        expect(path.state, said).toBe(plan?.kind === 'signalled' ? 'lower-signalled' : 'black-hole')
        exact += 1
      }
    }
    console.log(`seed ${seed}: ${exact} of ${RUNS} exact at ${loss} % loss, the others inconclusive`)
    expect(exact).toBeGreaterThanOrEqual(exactAtLeast)
  },
)
