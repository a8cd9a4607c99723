/**
 * What a run over very many nodes costs where their reports come together: `npx tsx bench/cluster-merge.ts 1000`. Each node's report is read from
 * JSON text as it comes from the node, put together with the others, judged, and written in every form. Prints JSON; limits are tested.
 */
import { digestOf, joinedFindings, partOf } from '../lib/merge/index.ts'
import { toHtml } from '../lib/report/html.ts'
import { toJson } from '../lib/report/json.ts'
import { toJUnit } from '../lib/report/junit.ts'
import { toMarkdown } from '../lib/report/markdown.ts'
import { toMetrics } from '../lib/report/metrics.ts'
import { verdictOf } from '../lib/report/model.ts'
import type { NodeRun, Report, Result } from '../lib/types.ts'
import { askedOf } from '../test/unit/merge/asked.ts'
import { byTunnel, ownTrouble, wholeRuns } from '../test/unit/merge/nodes.ts'
import { report } from '../test/unit/report/sample.ts'

const nodes = Number(process.argv[2] ?? 1000)
const zones = ['zone-a', 'zone-b', 'zone-c']

/** Two zones are cut from each other, one node is cut off, and each second node has a failure of its own. */
const made = wholeRuns({
  ...{ nodes, zones, asks: 8, told: byTunnel },
  fault: ({ from, to, between, zones: [here, there] }) => {
    const cut = from === 'n7' || to === 'n7' || (here === 'zone-a' && there === 'zone-c')
    return between === 'pods' && cut ? 'UNREACHABLE' : null
  },
  own: (node) =>
    Number(node.slice(1)) % 2 === 0
      ? {}
      : ownTrouble('node', 'FORWARDING_OFF', `On node ${node} nothing is forwarded.`),
})

let [seconds, cpuSeconds] = [0, 0]
/** Time that passes, and time of the processor: on a busy machine only this tells what the work costs. */
const timed = async <T>(work: () => T | Promise<T>): Promise<T> => {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const value = await work()
  const { user, system } = process.cpuUsage(cpu)
  seconds += (performance.now() - start) / 1e3
  cpuSeconds += (user + system) / 1e6
  return value
}

const runs: NodeRun[] = []
let bytesIn = 0
let cases = 0
for (const run of made) {
  const text = JSON.stringify(run.report)
  bytesIn += text.length
  const short = await timed(() => digestOf(JSON.parse(text) as Report))
  cases += short.results.length
  runs.push({ ...run, report: short })
}
const whole = await timed(async (): Promise<Report> => {
  const part = partOf(runs)
  runs.length = 0
  const asked = await askedOf(part)
  const { findings, follows } = joinedFindings(part, asked, 'npx vitest run')
  const results = asked.map((one): Result => ({ ...one, findings: follows.get(one.id) ?? [] }))
  return report(results, { node: 'cluster', source: null, findings, cluster: part, ...verdictOf(results, []) })
})
const sizes: Record<string, number> = {}
for (const [name, render] of Object.entries({ toHtml, toJson, toJUnit, toMarkdown, toMetrics })) {
  sizes[name.slice(2).toLowerCase()] = await timed(() => render(whole).length)
}
const figures = {
  ...{ nodes, cases, bytesIn, seconds: Number(seconds.toFixed(2)), cpuSeconds: Number(cpuSeconds.toFixed(2)) },
  maxRssMB: Math.round(process.resourceUsage().maxRSS / 1024),
  ...{ sizes, findings: whole.findings.map(({ code }) => code) },
}
process.stdout.write(`${JSON.stringify(figures)}\n`)
