/**
 * The report in Prometheus' text format 0.0.4, for node_exporter's textfile collector. Labels hold roles only, never an address or
 * the name of a pod, so the number of series is that of the checks, whatever the cluster's size.
 */
import { echoesOf } from '../compare/figures.ts'
import type { ClusterPart, Report, Result, Verdict } from '../types.ts'
import { verdictOfNode } from './cluster.ts'
import { isMeasured, spreadOf } from './evidence.ts'
import { baseName, countVerdicts, familyOf, settled, VERDICTS } from './model.ts'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]

interface Metric {
  readonly name: string
  readonly help: string
  readonly samples: readonly Sample[]
}

/** What does not apply has no state: it is not a series. */
const STATE: Record<Exclude<Verdict, 'not-applicable'>, number> = { pass: 0, warn: 1, fail: 2, inconclusive: 3 }

/** Every metric is a gauge of the last run. */
export function toMetrics(report: Report): string {
  const shown = settled(report)
  return metricsOf(shown)
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, samples }) => {
      const lines = samples.map(([labels, value]) => `${name}${labelText({ node: shown.node, ...labels })} ${value}`)
      return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines].join('\n')
    })
    .map((text) => `${text}\n`)
    .join('')
}

function metricsOf(report: Report): Metric[] {
  const { results, findings } = report
  const asked = results.filter(({ verdict }) => verdict !== 'not-applicable')
  const counts = countVerdicts(results)
  return [
    metric('run_info', 'Always 1; the version of k8snetlook that ran.', [[{ version: report.tool.version }, 1]]),
    metric('run_start_timestamp_seconds', 'When the last run began.', [[{}, Date.parse(report.started) / 1000]]),
    metric('run_complete', '1 when the last run ended in order, else 0: it goes on, or it was cut off.', [
      [{}, report.state === 'complete' ? 1 : 0],
    ]),
    metric(
      'run_duration_seconds',
      'How long the last run took; absent while it is not complete.',
      report.finished === null ? [] : [[{}, (Date.parse(report.finished) - Date.parse(report.started)) / 1000]],
    ),
    metric('run_exit_code', '0 sound, 1 a check failed, 2 no verdict.', [[{}, report.exitCode]]),
    metric(
      'checks',
      'Checks of the last run by verdict.',
      VERDICTS.map((verdict): Sample => [{ verdict }, counts[verdict]]),
    ),
    metric(
      'check_state',
      '0 pass, 1 warning, 2 failed, 3 inconclusive; absent when the check does not apply.',
      asked.map((result): Sample => [about(result), STATE[result.verdict as keyof typeof STATE]]),
    ),
    metric(
      'check_duration_seconds',
      'How long the check took.',
      asked.map((result) => [about(result), result.seconds]),
    ),
    metric('findings', 'Causes that were found, by code.', findingCounts(findings.map(({ code }) => code))),
    metric('rtt_seconds', 'Round trip time of ping.', asked.flatMap(roundTrips)),
    metric('loss_ratio', 'Share of echo requests without a reply, over all targets of the check.', asked.flatMap(loss)),
    metric('dns_latency_seconds', 'Time from a DNS query to its answer.', asked.filter(isDns).flatMap(answerTimes)),
    metric(
      'answer_seconds',
      'Time to an answer other than of ping and DNS: a TCP connection, an HTTPS answer.',
      asked.filter((result) => !isDns(result) && echoesOf(result).length === 0).flatMap(answerTimes),
    ),
    metric(
      'path_mtu_bytes',
      'Largest packet that reaches the end; the least of several paths.',
      asked.flatMap(measured),
    ),
    metric('path_mtu_promised_bytes', 'Largest packet that the source is promised.', asked.flatMap(promised)),
    ...(report.cluster ? clusterMetrics(report.cluster) : []),
  ]
}

/** Numbers of nodes and pairs: as many series for a thousand nodes as for three. */
function clusterMetrics({ nodes, pairs }: ClusterPart): Metric[] {
  const verdicts = nodes.map(verdictOfNode)
  const states = [
    ['reached', true],
    ['unreached', false],
    ['unknown', null],
  ] as const
  return [
    metric(
      'nodes',
      'Nodes of the last run over all nodes by verdict; inconclusive: those too that did not answer.',
      (['pass', 'warn', 'fail', 'inconclusive'] as const).map((verdict): Sample => {
        return [{ verdict }, verdicts.filter((one) => one === verdict).length]
      }),
    ),
    metric(
      'node_pairs',
      'Pairs of nodes, or of their pods, of the last run over all nodes.',
      (['nodes', 'pods'] as const).flatMap((between) =>
        ([4, 6] as const).flatMap((family) => {
          const own = pairs.filter((pair) => pair.between === between && pair.family === family)
          if (own.length === 0) return []
          return states.map(([state, reached]): Sample => {
            const labels = { between, family: `IPv${family}`, state }
            return [labels, own.filter((pair) => pair.reached === reached).length]
          })
        }),
      ),
    ),
  ]
}

/** A series is there once: of what shares its labels (a lost check has no row) the greatest value, which is the worst. */
function metric(name: string, help: string, samples: readonly Sample[]): Metric {
  const series = new Map<string, Sample>()
  for (const sample of samples) {
    const key = labelText(sample[0])
    if (Number.isFinite(sample[1]) && !((series.get(key)?.[1] ?? Number.NEGATIVE_INFINITY) >= sample[1])) {
      series.set(key, sample)
    }
  }
  return { name: `k8snetlook_${name}`, help, samples: [...series.values()] }
}

/** The labels of a check: of every run and node the same. */
function about(result: Result): Labels {
  const family = familyOf(result)
  return {
    place: result.place,
    check: baseName(result.file),
    ...(result.row ? { row: result.row } : {}),
    ...(family ? { family: `IPv${family}` } : {}),
  }
}

function findingCounts(codes: readonly string[]): Sample[] {
  const counts = new Map<string, number>()
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1)
  return [...counts].map(([code, times]) => [{ code }, times])
}

const isDns = ({ file }: Result): boolean => baseName(file).startsWith('dns-')

function roundTrips(result: Result): Sample[] {
  const times = (column: 'min ms' | 'avg ms' | 'max ms') =>
    echoesOf(result).flatMap((echo) => (typeof echo[column] === 'number' ? [echo[column] / 1000] : []))
  const [min, avg, max] = [times('min ms'), times('avg ms'), times('max ms')]
  if (avg.length === 0) return []
  return stats(result, { min: Math.min(...min), avg: spreadOf(avg).mean, max: Math.max(...max) })
}

function loss(result: Result): Sample[] {
  const echoes = echoesOf(result)
  const sum = (column: 'sent' | 'received') => echoes.reduce((total, echo) => total + (echo[column] ?? 0), 0)
  const sent = sum('sent')
  return sent === 0 ? [] : [[about(result), (sent - sum('received')) / sent]]
}

function answerTimes(result: Result): Sample[] {
  const times = (result.answers ?? []).flatMap(({ ms }) => (ms === null ? [] : [ms / 1000]))
  if (times.length === 0) return []
  const { low, mean, high } = spreadOf(times)
  return stats(result, { min: low, avg: mean, max: high })
}

const stats = (result: Result, values: Readonly<Record<'min' | 'avg' | 'max', number>>): Sample[] =>
  Object.entries(values).map(([stat, value]) => [{ ...about(result), stat }, value])

function measured(result: Result): Sample[] {
  const known = result.evidence.filter(isMeasured).flatMap(({ mtu }) => (mtu.measured === null ? [] : [mtu.measured]))
  return known.length === 0 ? [] : [[about(result), Math.min(...known)]]
}

function promised(result: Result): Sample[] {
  const all = result.evidence.filter(isMeasured).map(({ mtu }) => mtu.promised)
  return all.length === 0 ? [] : [[about(result), Math.max(...all)]]
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    return `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
  })
  return `{${pairs.join(',')}}`
}
