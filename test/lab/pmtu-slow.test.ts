/** A slow path and a slow prober: late is not lost. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { type PathMtu, pathMtu } from '../../lib/probe/pmtu/index.ts'
import type { Target } from '../../lib/types.ts'
import { type CpuQuota, limitCpu } from '../bed/cpu-quota.ts'
import { startSlowWire } from '../bed/delay.ts'
import { netnsPath } from '../bed/namespace.ts'
import { type Chain, makeChain, makeChainOver, type PathPlan, random } from './icmp-bed.ts'

const PROBER = fileURLToPath(new URL('pmtu-prober.ts', import.meta.url))
/** Within 100 ms both run for 10, then stand still for 90: every round meets a standstill, at any point. */
const CPU_PERCENT = 10
const seed = Date.now() % 1_000_000
const pick = random(seed)
const STATES = { healthy: 'ok', signalled: 'lower-signalled', 'black-hole': 'black-hole' } as const

/** `times` paths of each family and kind, in turns. */
function everyKind(times: number, linkMtu: number): PathPlan[] {
  const kinds = ['healthy', 'signalled', 'black-hole'] as const
  const one = ([4, 6] as const).flatMap((family) => kinds.map((kind) => ({ family, kind })))
  const plans = Array.from({ length: times }, () => one).flat()
  return plans.map((plan) => ({ ...plan, mtu: plan.kind === 'healthy' ? linkMtu : pick(1280, linkMtu - 1) }))
}

function expectExact(paths: readonly PathMtu[], plans: readonly PathPlan[]): void {
  const measured = paths.map(({ state, mtu }) => ({ state, mtu }))
  expect(measured, `seed ${seed}`).toEqual(plans.map(({ kind, mtu }) => ({ state: STATES[kind], mtu })))
}

describe('a path of 200 ms and 1 % loss', () => {
  let chain: Chain
  let wire: { stop(): void } | undefined
  beforeAll(async () => {
    console.log(`seed ${seed}`)
    chain = await makeChainOver(`ics${process.pid}`, async (a, r) => {
      wire = await startSlowWire([a, r], { oneWayMs: 100, lossPercent: 1, seed })
    })
    await enterNamespace(netnsPath(chain.a))
  })
  afterAll(() => {
    wire?.stop()
    chain?.remove()
  })

  test('has its exact MTU measured, whatever its kind', async () => {
    const plans = everyKind(4, 1500)
    const targets = chain.paths(plans)
    const paths = await Promise.all(targets.map((target) => pathMtu(target, { promised: 1500, linkMtu: 1500 })))
    expectExact(paths, plans)
    for (const path of paths) expect(path.rttMs).toBeGreaterThanOrEqual(200)
  })
})

describe('a prober that shares a tenth of a CPU with a busy neighbour', () => {
  let chain: Chain
  let processes: ChildProcess[] = []
  let quota: CpuQuota | undefined
  beforeAll(() => {
    chain = makeChain(`ict${process.pid}`)
  })
  afterEach(async () => {
    for (const child of processes) if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit')
    await quota?.remove()
  })
  afterAll(() => chain?.remove())

  test('measures every kind of path exactly', async () => {
    const plans = everyKind(1, 1500)
    const targets = chain.paths(plans)
    expectExact(await measureThrottled(targets), plans)
    expect(quota?.throttled()).toBeGreaterThan(10)
  })

  async function measureThrottled(targets: readonly Target[]): Promise<PathMtu[]> {
    const words = [chain.a, '1500', JSON.stringify(targets)]
    const prober = spawn(process.execPath, ['--import', 'tsx', PROBER, ...words], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const neighbour = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' })
    processes = [prober, neighbour]
    const lines = createInterface({ input: prober.stdout })[Symbol.asyncIterator]()
    await lines.next()
    quota = limitCpu([prober.pid ?? 0, neighbour.pid ?? 0], CPU_PERCENT)
    prober.stdin.write('go\n')
    return JSON.parse((await lines.next()).value) as PathMtu[]
  }
})
