/**
 * What a healthy `run checks/pod` costs over an empty Vitest run, what an all-dead network costs, and the memory of both,
 * on a real dual-stack Kubernetes cluster made for it: `npx tsx bench/startup.ts`. Root, Go and Debian's packages, as for e2e.
 *
 * The empty run has the same projects, the same number of files and the same set-up imports; the two alternate, so that a
 * slower moment of the machine meets both.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Cluster, type ClusterNode, startCluster } from '../test/bed/kubernetes/cluster.ts'
import { inNamespace, netnsPath } from '../test/bed/namespace.ts'
import { textOf } from '../test/bed/text.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAIRS = 9
const VITEST = ['node_modules/vitest/vitest.mjs', 'run']

interface Run {
  readonly ms: number
  readonly exitCode: number | null
  /** Largest proportional set size of the process tree, MiB (proc_pid_smaps_rollup). */
  readonly peakMiB: number
}

/** Runs a command in the node's namespace to its end; `watchMemory` samples, which costs time of its own. */
async function timed(
  cluster: Cluster,
  node: ClusterNode,
  cwd: string,
  args: string[],
  watchMemory = false,
): Promise<Run> {
  const started = performance.now()
  const env = {
    ...process.env,
    KUBECONFIG: cluster.kubeconfig,
    CONTAINER_RUNTIME_ENDPOINT: node.socket,
    NODE_NAME: node.name,
    SRC_POD: 'bbox',
    EXTERNAL_IP: '203.0.113.9,2001:db8:113::9',
    REPORTS_DIR: join(cwd, 'bench-reports'),
  }
  const child = spawn('nsenter', [`--net=${netnsPath(node.namespace)}`, process.execPath, ...VITEST, ...args], {
    cwd,
    env,
    stdio: 'ignore',
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const peak = watchMemory ? await peakOf(child, ended) : 0
  const exitCode = await ended
  return { ms: performance.now() - started, exitCode, peakMiB: peak / 1024 }
}

async function peakOf(child: ChildProcess, ended: Promise<unknown>): Promise<number> {
  let running = true
  void ended.then(() => {
    running = false
  })
  let peak = 0
  while (running) {
    peak = Math.max(
      peak,
      treeOf(child.pid ?? 0).reduce((sum, pid) => sum + pssOf(pid), 0),
    )
    await sleep(40)
  }
  return peak
}

function treeOf(pid: number): number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(treeOf)]
}

const pssOf = (pid: number): number => Number(/^Pss:\s+(\d+)/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)

/** A suite with our projects, files and set-up imports, whose tests do nothing. */
function emptySuite(): string {
  const dir = mkdtempSync(join(tmpdir(), 'k8snetlook-empty-'))
  for (const name of ['bin', 'lib', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, name), join(dir, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  for (const place of ['host', 'pod']) {
    for (const name of readdirSync(join(ROOT, 'checks', place))) {
      const file = join(dir, 'checks', place, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, "import { test } from 'vitest'\ntest('nothing', () => {})\n")
    }
  }
  const project = (name: string, order: number) =>
    `{ plugins: [library.plugin], test: { name: '${name}', include: ['checks/${name}/**/*.test.ts'], pool: 'forks', isolate: false, maxWorkers: 1, sequence: { groupOrder: ${order} } } }`
  writeFileSync(
    join(dir, 'vitest.config.ts'),
    `import { defineConfig } from 'vitest/config'
import { bundledLibrary } from './lib/bundle.ts'
const library = await bundledLibrary()
export default defineConfig({ plugins: [library.plugin], test: { watch: false, globalSetup: ['setup.ts'], projects: [${project('host', 1)}, ${project('pod', 2)}] } })
`,
  )
  writeFileSync(
    join(dir, 'setup.ts'),
    "import './lib/setup.ts'\nexport default async () => { await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')]) }\n",
  )
  return dir
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

async function main(): Promise<void> {
  const cluster = await startCluster({ prefix: 'bn', family: 'dual' })
  const empty = emptySuite()
  try {
    const [node] = cluster.nodes as [ClusterNode]
    const runs = { product: [] as Run[], empty: [] as Run[] }
    await timed(cluster, node, ROOT, ['checks/pod'])
    await timed(cluster, node, empty, [])
    for (let pair = 0; pair < PAIRS; pair++) {
      runs.product.push(await timed(cluster, node, ROOT, ['checks/pod']))
      runs.empty.push(await timed(cluster, node, empty, []))
    }
    const [product, nothing] = [median(runs.product.map(({ ms }) => ms)), median(runs.empty.map(({ ms }) => ms))]
    const differences = runs.product.map(({ ms }, pair) => ms - (runs.empty[pair]?.ms ?? Number.NaN))
    console.log(`healthy: exit codes ${[...new Set(runs.product.map(({ exitCode }) => exitCode))].join(', ')}`)
    console.log(`healthy run      ${seconds(product)} (median of ${PAIRS})`)
    console.log(`empty run        ${seconds(nothing)}`)
    console.log(
      `over the empty   ${seconds(median(differences))} (median of the pairs' differences), ratio ${(product / nothing).toFixed(2)}`,
    )
    const memory = [await timed(cluster, node, ROOT, ['checks/pod'], true), await timed(cluster, node, empty, [], true)]
    console.log(`peak PSS         ${memory.map(({ peakMiB }) => `${peakMiB.toFixed(0)} MiB`).join(', empty ')}`)
    inNamespace(node.namespace, 'sysctl', '-qw', 'net.ipv4.ip_forward=0')
    const dead = await timed(cluster, node, ROOT, ['checks/pod'])
    console.log(`ip_forward=0     ${seconds(dead.ms)}, exit code ${dead.exitCode}`)
  } finally {
    rmSync(empty, { recursive: true, force: true })
    rmSync(join(ROOT, 'bench-reports'), { recursive: true, force: true })
    await cluster.stop()
  }
}

await main()
