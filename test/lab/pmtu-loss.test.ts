/** Loss is not MTU: 100 random paths at each rate of loss, families and kinds in turn. A wrong number fails at once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { type PathMtu, pathMtu } from '../../lib/probe/pmtu/index.ts'
import { eachWithin } from '../../lib/probe/pool.ts'
import { netnsPath } from '../bed/namespace.ts'
import { type Chain, makeChain, type PathPlan, random } from './icmp-bed.ts'

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

/** 'exact', 'inconclusive' when there is no number but the loss, or what is wrong. */
function verdictOn(path: PathMtu, plan: PathPlan | undefined, loss: number): string {
  const state = plan?.kind === 'signalled' ? 'lower-signalled' : 'black-hole'
  if (path.mtu === plan?.mtu && path.state === state) return 'exact'
  // Probes are lost on the way there and on the way back: the share is larger than that of one way.
  if (path.mtu === null && path.state === 'inconclusive' && path.loss > loss) return 'inconclusive'
  return JSON.stringify({ plan, path })
}

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
    const paths = await eachWithin(
      targets,
      (target) => pathMtu(target, { promised: LINK_MTU, linkMtu: LINK_MTU }),
      AT_ONCE,
    )

    const verdicts = paths.map((path, run) => verdictOn(path, plans[run], loss / 100))
    const exact = verdicts.filter((verdict) => verdict === 'exact').length
    const none = verdicts.filter((verdict) => verdict === 'inconclusive').length
    console.log(`seed ${seed}: ${exact} of ${RUNS} exact at ${loss} % loss, ${none} inconclusive`)
    expect(
      verdicts.filter((verdict) => verdict !== 'exact' && verdict !== 'inconclusive'),
      `seed ${seed}`,
    ).toEqual([])
    expect(exact).toBeGreaterThanOrEqual(exactAtLeast)
  },
)
