/** Healthy runs with traffic around them, some over a slow and lossy path, some with little CPU: none may find anything. */

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startSlowWire } from '../bed/delay.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { netnsPath } from '../bed/namespace.ts'
import { startTraffic, type Traffic } from '../bed/traffic.ts'
import { ipBatch } from '../bed/underlay.ts'
import { insidePod, neighbourPod, sourcePod } from './catalogue/means.ts'
import { nodes, podsOf } from './injection.ts'
import { runSuite, type SuiteOptions, troubles } from './suite.ts'

const DOCUMENT = fileURLToPath(new URL('../healthy.md', import.meta.url))
const PER_SECOND = 200
const PORT = 9999
/** Both ways together 200 ms, and a packet of a hundred lost. */
const ONE_WAY_MS = 100
const ONE_WAY_LOSS_PERCENT = 0.5
/** Of one CPU. */
const CPU_PERCENT = 40

interface Circumstances {
  readonly name: string
  /** Of all runs. */
  readonly share: number
  readonly options?: SuiteOptions
  /** Returns what takes it back. */
  set?(cluster: Cluster, seed: number): Promise<() => void>
}

const CIRCUMSTANCES: readonly Circumstances[] = [
  { name: 'traffic alone', share: 0.5 },
  {
    name: `the other node ${2 * ONE_WAY_MS} ms away, ${2 * ONE_WAY_LOSS_PERCENT} % of the packets lost`,
    share: 0.25,
    set: slowPath,
  },
  { name: `${CPU_PERCENT} % of a CPU`, share: 0.25, options: { cpuPercent: CPU_PERCENT } },
]

/** Whether none of so many runs found anything. Says what each of them found. */
export async function endure(cluster: Cluster, runs: number, seed: number): Promise<boolean> {
  const traffic = await talk(cluster)
  const rows: string[][] = []
  let alarms = 0
  try {
    for (const { name, share, options, set } of CIRCUMSTANCES) {
      const takeBack = await set?.(cluster, seed)
      const count = Math.max(1, Math.round(runs * share))
      const [before, lasted] = [alarms, [] as number[]]
      for (let i = 1; i <= count; i++) {
        const answered = traffic.map((one) => one.answered())
        const { report, exitCode, seconds } = await runSuite(cluster, options)
        const wrong = [...troubles(report), ...report.findings.map(({ code, cause }) => `${code}: ${cause}`)]
        const talked = traffic.map((one, index) => Math.round((one.answered() - (answered[index] ?? 0)) / seconds))
        lasted.push(seconds)
        if (exitCode !== 0 || wrong.length > 0) alarms++
        console.log(
          `${exitCode === 0 && wrong.length === 0 ? 'ok   ' : 'ALARM'} ${name}, ${i} of ${count}: ${seconds.toFixed(1)} s, connections a second: ${talked.join(' and ')}`,
        )
        for (const one of wrong) console.log(`      ${one}`)
      }
      takeBack?.()
      const middle = lasted.toSorted((a, b) => a - b)[lasted.length >> 1] ?? 0
      rows.push([name, `${count}`, `${alarms - before}`, `${middle.toFixed(1)} s`])
    }
  } finally {
    for (const one of traffic) one.stop()
  }
  console.log(`${alarms} false alarms`)
  writeFileSync(DOCUMENT, documentOf(rows))
  return alarms === 0
}

function documentOf(rows: readonly (readonly string[])[]): string {
  const head = ['around the run', 'runs', 'with a finding or a warning', 'seconds, median']
  return [
    '# Runs without a fault',
    '',
    `On a real dual-stack Kubernetes, while the source pod and its node open ${PER_SECOND} connections a second each. Written by`,
    '`npm run selftest -- --healthy N`.',
    '',
    ...[head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n')
}

/** From the source pod and from its node, to pods here and on the other node. */
async function talk(cluster: Cluster): Promise<readonly Traffic[]> {
  const { first, second } = nodes(cluster)
  const remote = async () => (await podsOf(cluster, 'bbox', second.name))[0] as Awaited<ReturnType<typeof sourcePod>>
  const there = await remote()
  const here = await neighbourPod(cluster)
  const own = await insidePod(sourcePod)(cluster)
  return [
    await startTraffic(
      { from: own, to: await insidePod(remote)(cluster), addresses: there.addresses, perSecond: PER_SECOND },
      PORT,
    ),
    await startTraffic(
      {
        from: netnsPath(first.namespace),
        to: await insidePod(neighbourPod)(cluster),
        addresses: here.addresses,
        perSecond: PER_SECOND,
      },
      PORT + 1,
    ),
  ]
}

/** The second node behind a bridge of its own, and a slow wire between the two bridges. */
async function slowPath({ underlay: { router } }: Cluster, seed: number): Promise<() => void> {
  ipBatch(router, ['link add br1 type bridge', 'link set br1 up'])
  const ends = [
    { namespace: router, device: 'slow0' },
    { namespace: router, device: 'slow1' },
  ] as const
  const wire = await startSlowWire(ends, {
    oneWayMs: ONE_WAY_MS,
    lossPercent: ONE_WAY_LOSS_PERCENT,
    seed,
    frames: true,
  })
  ipBatch(router, ['link set slow0 master br0 up', 'link set slow1 master br1 up', 'link set v-n2 master br1'])
  return () => {
    ipBatch(router, ['link set v-n2 master br0', 'link del br1'])
    wire.stop()
  }
}
