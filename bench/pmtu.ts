/**
 * How long it takes to decide a path's MTU: ours beside tracepath (`apt install iputils-tracepath`), by turns in one run,
 * medians in ms, over the same paths in network namespaces made for this: healthy, lower and signalled, black hole; on a
 * plain cable and on one of 20 ms round trip. Ours is a call within this process, a peer is a process of its own.
 * Exits with 1 when ours is wrong or slower than it promises.
 * K8SNETLOOK_ORIGINAL may name a program that takes an IPv4 address and prints its path MTU: the original's
 * netutils.PMTUProbeToDestIP behind a main of a few lines, because the original itself asks for a cluster first.
 * Run as root: npx tsx bench/pmtu.ts
 */
import { spawnSync } from 'node:child_process'
import { enterNamespace } from '../lib/netns/index.ts'
import { type PathMtuState, pathMtu } from '../lib/probe/pmtu/index.ts'
import type { Family, Target } from '../lib/types.ts'
import { startSlowWire } from '../test/bed/delay.ts'
import { inNamespace, ip, netnsPath } from '../test/bed/namespace.ts'
import { B, type Chain, makeChain, makeChainOver } from '../test/lab/icmp-bed.ts'

const ROUNDS = 9
/** Nothing is learned from waiting longer for a peer that waits for answers which cannot come. */
const PATIENCE_MS = 10_000
const { K8SNETLOOK_ORIGINAL: ORIGINAL } = process.env

interface Case {
  readonly name: string
  readonly linkMtu: number
  readonly farMtu: number
  readonly rules: readonly string[]
  readonly state: PathMtuState
  readonly mtu: number
  readonly budgetMs: (rttMs: number) => number
}

const quick = (rttMs: number): number => 3 * rttMs + 20
const cases: readonly Case[] = [
  { name: 'healthy 1450', linkMtu: 1450, farMtu: 1450, rules: [], state: 'ok', mtu: 1450, budgetMs: quick },
  {
    name: 'signalled 1400',
    linkMtu: 1500,
    farMtu: 1400,
    rules: [],
    state: 'lower-signalled',
    mtu: 1400,
    budgetMs: quick,
  },
  {
    name: 'black hole 1400',
    linkMtu: 1500,
    farMtu: 1500,
    rules: ['meta length gt 1400 drop'],
    state: 'black-hole',
    mtu: 1400,
    budgetMs: () => 1500,
  },
]

/** Median, and what the last round said: a path MTU, or null for none. */
interface Timing {
  readonly ms: number
  readonly mtu: number | null
}

async function ours(target: Target, { linkMtu, state, mtu }: Case): Promise<Timing> {
  const path = await pathMtu(target, { promised: linkMtu, linkMtu })
  if (path.state !== state || path.mtu !== mtu) throw new Error(`ours is wrong: ${JSON.stringify(path)}`)
  return { ms: path.ms, mtu: path.mtu }
}

const tracepath = (target: Target): Timing => peer('tracepath', ['-n', target.address], /Resume: pmtu (\d+)/)
const original = (target: Target): Timing => peer(ORIGINAL ?? '', [target.address], /^(\d+)/)

function peer(command: string, args: readonly string[], said: RegExp): Timing {
  const started = performance.now()
  const { stdout, error } = spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE_MS })
  const ms = performance.now() - started
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'ETIMEDOUT') throw error
  const mtu = said.exec(stdout)?.[1]
  return { ms, mtu: error !== undefined || mtu === undefined ? null : Number(mtu) }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** A peer that has said nothing about a path for seconds will not say more in the next round. */
const worthAnother = (timings: readonly Timing[]): boolean => timings.at(-1)?.mtu !== null

function shown(who: string, timings: readonly Timing[], mine: number): string {
  const ms = median(timings.map((timing) => timing.ms))
  const mtu = timings.at(-1)?.mtu ?? null
  return `${who} ${ms.toFixed(1)} ms, says ${mtu ?? 'nothing'}, ratio ${(mine / ms).toFixed(3)}`
}

/** Prints one line; whether ours kept its promise. */
async function compare(chain: Chain, path: Case, family: Family, rttMs: number): Promise<boolean> {
  chain.clear()
  chain.nearMtu(path.linkMtu)
  chain.farMtu(path.farMtu)
  chain.forward(...path.rules)
  const target: Target = { role: 'the target', name: 'b', address: B[family], family }
  const timings = { ours: [] as Timing[], tracepath: [] as Timing[], original: [] as Timing[] }
  for (let round = 0; round < ROUNDS; round++) {
    // A route exception of an earlier round or case would tell the peers the answer.
    for (const each of ['-4', '-6']) ip(`-n ${chain.a} ${each} route flush cache`)
    timings.ours.push(await ours(target, path))
    if (family === 4 && ORIGINAL !== undefined && worthAnother(timings.original))
      timings.original.push(original(target))
    if (worthAnother(timings.tracepath)) timings.tracepath.push(tracepath(target))
  }
  const mine = median(timings.ours.map((timing) => timing.ms))
  const budget = path.budgetMs(rttMs)
  const kept = mine <= budget
  const peers = [
    shown('tracepath', timings.tracepath, mine),
    ...(timings.original.length > 0 ? [shown('original', timings.original, mine)] : []),
  ]
  const verdict = `${kept ? 'within' : 'NOT WITHIN'} ${budget.toFixed(0)} ms`
  console.log(
    `IPv${family}, RTT ${rttMs} ms, ${path.name}: ours ${mine.toFixed(1)} ms (${verdict}); ${peers.join('; ')}`,
  )
  return kept
}

/** All cases over one chain, which is taken away whatever comes. */
async function compareAll(chain: Chain, rttMs: number): Promise<boolean> {
  // Linux answers closed ports, which is how tracepath knows that it is there, once a second unless told otherwise.
  inNamespace(chain.b, 'sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0')
  await enterNamespace(netnsPath(chain.a))
  const kept: boolean[] = []
  for (const family of [4, 6] as const) {
    for (const path of cases) kept.push(await compare(chain, path, family, rttMs))
  }
  return kept.every(Boolean)
}

let kept = true
const plain = makeChain(`icbp${process.pid}`)
try {
  kept = (await compareAll(plain, 0)) && kept
} finally {
  plain.remove()
}
let wire: { stop(): void } | undefined
let slow: Chain | undefined
try {
  slow = await makeChainOver(`icbs${process.pid}`, async (a, r) => {
    wire = await startSlowWire([a, r], { oneWayMs: 10, lossPercent: 0, seed: 1 })
  })
  kept = (await compareAll(slow, 20)) && kept
} finally {
  wire?.stop()
  slow?.remove()
}
process.exitCode = kept ? 0 : 1
