/** checks/cluster against a stand-in with 1,000 nodes and 30,000 pods: what it costs the API server, this machine, and the reports. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../lib/types.ts'
import type { StandinOptions, Tally } from '../bed/every-node-standin.ts'
import { until } from '../bed/kubernetes/api.ts'
import { inNamespace, namespaces, netnsPath, startIn } from '../bed/namespace.ts'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))
const NODES = 1_000
const PORT = 8001
const MIB = 1024 * 1024

const made = namespaces('evs')
let namespace: string
let dir: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k8snetlook-evs-'))
  namespace = made.add('api')
  const options: StandinOptions = {
    ...{ port: PORT, nodes: NODES, podsPerNode: 30, zones: 3, takes: 1_000, noImage: [7], cut: 5 },
    report: join(CHECKOUT, 'test/fixtures/reports/healthy.json'),
  }
  const log = join(dir, 'standin.log')
  startIn(
    namespace,
    process.execPath,
    ['--import', 'tsx', 'test/bed/every-node-standin.ts', JSON.stringify(options)],
    log,
    {
      cwd: CHECKOUT,
    },
  )
  await until('the stand-in to listen', 20, async () => existsSync(log) && readFileSync(log, 'utf8').includes('ready'))
  const access = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'x' },
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${PORT}` } }],
    users: [{ name: 'u', user: { token: 'secret' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  }
  writeFileSync(join(dir, 'kubeconfig'), JSON.stringify(access))
})
afterAll(() => {
  made.remove()
  rmSync(dir, { recursive: true, force: true })
})

interface Measured {
  readonly exitCode: number
  readonly output: string
  /** Largest proportional set size of the run's process (proc_pid_smaps_rollup). */
  readonly peakMiB: number
}

async function run(env: Readonly<Record<string, string>>): Promise<Measured> {
  const { PATH = '', HOME = '/root' } = process.env
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', 'checks/cluster']
  const child = spawn('nsenter', [`--net=${netnsPath(namespace)}`, ...vitest], {
    cwd: CHECKOUT,
    env: { PATH, HOME, KUBECONFIG: join(dir, 'kubeconfig'), REPORTS_DIR: join(dir, 'reports'), ...env },
    stdio: 'pipe',
  })
  child.stdin.end()
  let peak = 0
  const timer = setInterval(() => {
    try {
      const rollup = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8')
      peak = Math.max(peak, Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0))
    } catch {
      // it has ended
    }
  }, 200)
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  clearInterval(timer)
  return { exitCode: code as number, output: out + err, peakMiB: peak / 1024 }
}

const tally = (): Tally => JSON.parse(inNamespace(namespace, 'curl', '-s', `http://127.0.0.1:${PORT}/tally`)) as Tally
const report = (): Report => JSON.parse(readFileSync(join(dir, 'reports/report-cluster.json'), 'utf8')) as Report

test('a thousand nodes: their trouble named, few bytes, little memory, and nothing left', {
  timeout: 240_000,
}, async () => {
  const { exitCode, output, peakMiB } = await run({ NODES_AT_ONCE: '200' })
  expect(exitCode, output).toBe(1)
  const { findings, cluster } = report()
  expect(findings.map(({ code, cause }) => [code, /\bn5\b/.test(cause)])).toEqual([['NODE_UNREACHED_BY_ALL', true]])
  const bad = cluster?.nodes.filter(({ problem }) => problem !== null).map(({ node, problem }) => [node, problem?.code])
  expect(bad).toEqual([['n7', 'IMAGE_NOT_PULLED']])
  expect(cluster?.nodes).toHaveLength(NODES)

  const { requests, bytes, left } = tally()
  expect(left).toEqual([])
  // four pages of nodes, one of slices; a Job, its log and its end for each node; no list of all pods
  expect(requests['get nodes']).toBe(4)
  expect(requests['create jobs']).toBe(NODES)
  expect(requests['read log of pods']).toBe(NODES - 1)
  const all = Object.values(requests).reduce((sum, one) => sum + one, 0)
  expect(all).toBeLessThan(3.2 * NODES)
  expect(bytes).toBeLessThan(25 * MIB)
  // 400 MB
  expect(peakMiB).toBeLessThan(381)
  expect(statSync(join(dir, 'reports/report-cluster.html')).size).toBeLessThan(MIB)
})
