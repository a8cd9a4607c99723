/** The product, run as a user runs it: on a node, as root, with nothing but environment variables. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Report, Result } from '../../lib/types.ts'
import { limitCpu } from '../bed/cpu-quota.ts'
import type { Cluster, ClusterNode } from '../bed/kubernetes/cluster.ts'
import { netnsPath } from '../bed/namespace.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

export interface SuiteRun {
  readonly exitCode: number
  /** What the terminal showed: standard output and standard error. */
  readonly output: string
  readonly report: Report
  readonly junit: string
  readonly html: string
  readonly seconds: number
}

export interface SuiteOptions {
  /** Index in cluster.nodes of the node to run on. */
  readonly node?: number
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** What is run with these arguments; absent: `vitest run` in the checkout. */
  readonly program?: readonly string[]
  /** Working directory; absent: the checkout. */
  readonly cwd?: string
  /** Share of one CPU that the suite may use; absent: all there is. */
  readonly cpuPercent?: number
}

/** What a run on a node of the cluster must be told. */
export const settingsOn = (cluster: Cluster, node: ClusterNode): Readonly<Record<string, string>> => ({
  KUBECONFIG: cluster.kubeconfig,
  CONTAINER_RUNTIME_ENDPOINT: `unix://${node.socket}`,
  NODE_NAME: node.name,
  CNI_LEASES_DIR: join(cluster.dir, node.name, 'ipam'),
  SRC_POD: 'bbox',
  EXTERNAL_IP: cluster.plan.outside.join(','),
  EXTERNAL_NAME: 'outside.test',
})

/** Runs `vitest run checks/pod` (or other arguments) on a node of the cluster, with SRC_POD=bbox and EXTERNAL_IP set. */
export async function runSuite(cluster: Cluster, options: SuiteOptions = {}): Promise<SuiteRun> {
  const node = cluster.nodes[options.node ?? 0]
  if (node === undefined) throw new Error(`the cluster has no node ${options.node}`)
  const reports = mkdtempSync(join(cluster.dir, 'reports-'))
  const { PATH = '', HOME = '/root' } = process.env
  const env = { PATH, HOME, ...settingsOn(cluster, node), REPORTS_DIR: reports, ...options.env }
  const program = options.program ?? [process.execPath, 'node_modules/vitest/vitest.mjs', 'run']
  const command = [...program, ...(options.args ?? ['checks/pod'])]
  const started = Date.now()
  const child = spawn('nsenter', [`--net=${netnsPath(node.namespace)}`, ...command], {
    cwd: options.cwd ?? PROJECT,
    env,
    stdio: 'pipe',
  })
  child.stdin.end()
  const quota = options.cpuPercent === undefined ? null : limitCpu([child.pid ?? 0], options.cpuPercent)
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const seconds = (Date.now() - started) / 1000
  await quota?.remove()
  const read = (file: string) => {
    const path = join(reports, file)
    if (!existsSync(path))
      throw new Error(`${file} was not written; exit code ${code}, the terminal showed:\n${out}${err}`)
    return readFileSync(path, 'utf8')
  }
  return {
    exitCode: code as number,
    output: out + err,
    report: JSON.parse(read(`report-${node.name}.json`)) as Report,
    junit: read(`junit-${node.name}.xml`),
    html: read(`report-${node.name}.html`),
    seconds,
  }
}

/** "pod/mtu-destination": a check's file without what all have in common. */
export const checkOf = (result: Result): string => result.file.replace(/^.*checks\//, '').replace(/\.test\.ts$/, '')

/** One line for each result that is not as it should be: "fail pod/gateway IPv4 UNREACHABLE"; sorted. */
export function troubles(report: Pick<Report, 'results'>): string[] {
  return report.results
    .filter(({ verdict }) => verdict !== 'pass' && verdict !== 'not-applicable')
    .map((result) => trouble({ ...result, check: checkOf(result) }))
    .sort()
}

/** How troubles() words a result. */
export function trouble(of: Pick<Result, 'verdict' | 'check' | 'row' | 'family' | 'code'>): string {
  const family = of.family === undefined ? [] : [`IPv${of.family}`]
  return [of.verdict, of.check, ...(of.row === undefined ? [] : [of.row]), ...family, of.code].join(' ')
}
