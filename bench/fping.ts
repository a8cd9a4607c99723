/**
 * 4,096 addresses pinged once each, ours beside fping (`apt install fping`), by turns in one run; medians in ms.
 * The addresses are local ones of a network namespace made for this: what is measured is the prober, not a network.
 * Run as root: npx tsx bench/fping.ts
 */
import { enterNamespace } from '../lib/netns/index.ts'
import { echo } from '../lib/probe/icmp.ts'
import type { Target } from '../lib/types.ts'
import { inNamespace, ip, netnsPath, run } from '../test/bed/namespace.ts'

const ROUNDS = 7
const NAME = `icb${process.pid}`
const FIRST = '198.18.64.0'
const LAST = '198.18.79.255'
const targets: Target[] = Array.from({ length: 4096 }, (_, n) => {
  const address = `198.18.${64 + (n >> 8)}.${n & 255}`
  return { role: 'an endpoint', name: address, address, family: 4 }
})

async function ours(): Promise<number> {
  const started = performance.now()
  const results = await echo(targets, { probes: 1 })
  const ms = performance.now() - started
  expectAll('ours', results.filter(({ received }) => received === 1).length)
  return ms
}

function fping(): number {
  const started = performance.now()
  const alive = run('fping', ['-a', '-i', '0', '-g', FIRST, LAST])
  const ms = performance.now() - started
  expectAll('fping', alive.trimEnd().split('\n').length)
  return ms
}

function expectAll(who: string, answered: number): void {
  if (answered !== targets.length) throw new Error(`${who}: ${answered} of ${targets.length} answered`)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

ip(`netns add ${NAME}`)
try {
  ip(`-n ${NAME} link set lo up`)
  inNamespace(NAME, 'ip', 'route', 'add', 'local', `${FIRST}/20`, 'dev', 'lo')
  await enterNamespace(netnsPath(NAME))
  const times = { ours: [] as number[], fping: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    times.ours.push(await ours())
    times.fping.push(fping())
  }
  const [mine, theirs] = [median(times.ours), median(times.fping)]
  console.log(
    `${targets.length} addresses, ${ROUNDS} rounds, median: ours ${mine.toFixed(0)} ms (first ${times.ours[0]?.toFixed(0)}),` +
      ` fping ${theirs.toFixed(0)} ms, ratio ${(mine / theirs).toFixed(2)}`,
  )
} finally {
  ip(`netns del ${NAME}`)
}
