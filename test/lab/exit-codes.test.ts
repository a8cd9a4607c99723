/** Exit codes and reports where the run itself is the trouble: nothing matched, a dead worker, signals, two runs, a dry run. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../lib/types.ts'
import { nft, run } from '../bed/namespace.ts'
import { type Lab, startLab } from './lab.ts'
import { hostPort, kubeconfig } from './lab-api.ts'
import { expectConsistent, expectHealthy } from './lab-expect.ts'
import { runProduct, type StartedProduct, startProduct, troubles } from './lab-product.ts'
import { missingFrom } from './lab-said.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbe' })
})
afterAll(() => lab?.stop())

/** What stands in a report on disk now; null: nothing yet, or it is just being replaced. */
function onDisk(dir: string): Report | null {
  try {
    return JSON.parse(readFileSync(join(dir, 'report-n1.json'), 'utf8'))
  } catch {
    return null
  }
}

async function until<T>(what: string, find: () => T | null | undefined | false): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = find()
    if (found) return found
    await sleep(50)
  }
  throw new Error(`waited 30 s for ${what}`)
}

/** Everything between the pod and the other node, the outside and the API server vanishes: the run becomes slow. */
async function slowly<T>(work: () => Promise<T>): Promise<T> {
  const node = lab.nodes[0].namespace
  nft(node, 'table inet slow {\nchain slow {\ntype filter hook prerouting priority -300\niifname "cni0" drop\n}\n}')
  try {
    return await work()
  } finally {
    nft(node, 'delete table inet slow')
  }
}

/** A run that has asked something from the pod and goes on asking. */
async function inTheMiddle(started: StartedProduct): Promise<void> {
  await until('the first pod check', () => /, from the pod/.test(started.output()))
}

/** The worker that lives in the source pod's namespace. */
function podWorker(started: StartedProduct): number {
  const inode = (pid: number) => run('stat', ['-Lc', '%i', `/proc/${pid}/ns/net`]).trim()
  const children = run('ps', ['-o', 'pid=', '--ppid', String(started.process.pid)])
    .split('\n')
    .map(Number)
  const workers = children.filter((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('vitest'))
  expect(workers).toHaveLength(2)
  const found = workers.find((pid) => inode(pid) === inode(lab.pods.bbox.pid))
  if (found === undefined) throw new Error('no worker lives in the pod')
  return found
}

/** Every process of a run: they share its environment. */
function processesOf({ reportsDir }: StartedProduct): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`REPORTS_DIR=${reportsDir}\0`)
      } catch {
        return false
      }
    })
}

describe('nothing was asked', () => {
  it.each([
    { name: 'no file matches', args: ['run', 'nosuch'] },
    { name: 'no name matches', args: ['run', 'checks/pod', '-t', 'nosuch'] },
  ])('$name: exit code 2', async ({ args }) => {
    const run = await runProduct(lab, { args })
    expect(run.exitCode).toBe(2)
    expect(run.report).toMatchObject({ verdict: 'inconclusive', exitCode: 2, results: [] })
    expect(run.report.errors.map(({ code }) => code)).toEqual(['NOTHING_RAN'])
    expect(missingFrom(run, /no check matched the command line/)).toEqual([])
    expectConsistent(run)
  })

  it('everything is left out: exit code 2', async () => {
    const args = ['run', 'checks/pod/external-ping']
    const run = await runProduct(lab, { args, env: { EXTERNAL_IP: undefined } })
    expect(run.report.results.map(({ verdict }) => verdict)).toEqual(['not-applicable', 'not-applicable'])
    expect(run.exitCode).toBe(2)
    expectConsistent(run)
  })
})

describe('a worker dies', () => {
  it.each(['SIGKILL', 'SIGSEGV'] as const)('%s: its answers are inconclusive, the others stand', async (signal) => {
    const run = await slowly(async () => {
      const started = startProduct(lab)
      await inTheMiddle(started)
      process.kill(podWorker(started), signal)
      return started.finished
    })
    expect(run.report.state).toBe('complete')
    expect(run.report.errors.map(({ code }) => code)).toContain('WORKER_DIED')
    expect(missingFrom(run, /the worker died/)).toEqual([])
    const host = run.report.results.filter(({ place }) => place === 'node').map(({ verdict }) => verdict)
    expect(host).toContain('pass')
    expect(host.filter((verdict) => verdict !== 'pass' && verdict !== 'not-applicable')).toEqual([])
    expect(run.exitCode).toBe(2)
    expectConsistent(run)
  })
})

describe('a signal in the middle', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s: valid partial reports that say so', async (signal) => {
    const run = await slowly(async () => {
      const started = startProduct(lab)
      await inTheMiddle(started)
      started.process.kill(signal)
      return started.finished
    })
    expect(run.report).toMatchObject({ state: 'incomplete', finished: null })
    expect(run.report.errors).toContainEqual(expect.objectContaining({ code: 'RUN_INTERRUPTED' }))
    expect(missingFrom(run, new RegExp(`the run was ended by ${signal}`))).toEqual([])
    expect(run.exitCode).toBe(2)
    expectConsistent(run)
  })

  it('SIGTERM when a check had failed by then: exit code 1', async () => {
    const server = `https://${hostPort(lab.plan.node(1)[0] ?? '', 6444)}`
    const path = lab.writeKubeconfig('refused', kubeconfig(lab.pki, lab.plan, { cluster: { server } }))
    const run = await slowly(async () => {
      const started = startProduct(lab, { env: { KUBECONFIG: path } })
      await until('a failure', () => /^FAIL/m.test(started.output()))
      started.process.kill('SIGTERM')
      return started.finished
    })
    expect(run.report.state).toBe('incomplete')
    expect(troubles(run.report)).toContain('fail host/kubeconfig-server NOTHING_LISTENING')
    expect(run.exitCode).toBe(1)
    expectConsistent(run)
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)('%s leaves no process behind', async (signal) => {
    const started = startProduct(lab)
    await inTheMiddle(started)
    expect(processesOf(started).length).toBeGreaterThan(1)
    started.process.kill(signal)
    await started.finished
    await until('the workers to end', () => processesOf(started).length === 0)
    expect(onDisk(started.reportsDir)).toMatchObject({ state: 'incomplete', verdict: 'inconclusive' })
  })
})

it('keeps reports and exit code with --reporter=dot', async () => {
  const run = await runProduct(lab, { args: ['run', 'checks/pod', '--reporter=dot'], env: { SRC_POD: 'nosuch' } })
  expect(run.exitCode).toBe(2)
  expect(run.stdout).not.toContain('INCONCLUSIVE, exit code')
  expectConsistent(run, { terminal: false })
})

it('marks the report of yesterday incomplete at once, and says no more when two run at the same time', async () => {
  const first = await runProduct(lab)
  expectHealthy(first, 'dual')
  const env = { REPORTS_DIR: first.reportsDir }
  const started = startProduct(lab, { env })
  const early = await until('the old report to go', () => {
    const report = onDisk(first.reportsDir)
    return report?.runId !== first.report.runId && report
  })
  expect(early).toMatchObject({ state: 'incomplete', verdict: 'inconclusive', exitCode: 2 })
  expect(early.results).toEqual([])

  const other = await runProduct(lab, { env })
  expect(other.exitCode).toBe(2)
  expect(other.stdout).toMatch(/ANOTHER_RUN/)
  expect(other.stdout.replace(/\s+/g, ' ')).toMatch(/another run \(process \d+\) is writing the reports in/)
  const last = await started.finished
  expectHealthy(last, 'dual')
})

describe('vitest list', () => {
  // Unicast packets of the pod's own addresses. Neighbour discovery and the groups that a bridge floods to all its ports
  // (MLD reports of other pods, router solicitations) are the kernel's own talk and come at any time.
  const TABLE = 'listed'
  const inPod = (command: string, ...args: string[]) =>
    run('nsenter', [`--net=${lab.pods.bbox.netns}`, command, ...args])
  const counting = (hook: 'input' | 'output', name: 'received' | 'sent') =>
    `chain ${name} {
type filter hook ${hook} priority 0
icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept
ip daddr 224.0.0.0/4 accept
ip6 daddr ff00::/8 accept
counter name ${name}
}`

  beforeAll(() => {
    const rules = [
      'counter received { }',
      'counter sent { }',
      counting('input', 'received'),
      counting('output', 'sent'),
    ]
    run('nsenter', [`--net=${lab.pods.bbox.netns}`, 'nft', '-f', '-'], `table inet ${TABLE} {\n${rules.join('\n')}\n}`)
  })
  afterAll(() => {
    inPod('nft', 'delete', 'table', 'inet', TABLE)
  })

  const packets = (): { received: number; sent: number } => {
    const { nftables } = JSON.parse(inPod('nft', '-j', 'list', 'counters', 'table', 'inet', TABLE)) as {
      nftables: { counter?: { name: 'received' | 'sent'; packets: number } }[]
    }
    const of = (name: string) => nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? Number.NaN
    return { received: of('received'), sent: of('sent') }
  }

  it('prints the plan and what was picked, and sends nothing to a pod', async () => {
    const before = packets()
    const reportsDir = mkdtempSync(join(lab.dir, 'reports-'))
    const listed = await runProduct(lab, { args: ['list', 'checks/pod'], env: { REPORTS_DIR: reportsDir } })
    expect(packets()).toEqual(before)
    expect(listed.exitCode).toBe(0)
    expect(listed.stdout).toContain(`default/${lab.pods.bbox.name}`)
    expect(listed.stdout).toContain(`pod on another node     default/${lab.pods.web2.name}`)
    expect(listed.stdout).toMatch(/the pod's own default gateway answers over IPv4, from the pod/)
    expect(listed.stdout + listed.stderr).not.toMatch(/^\s+at |node_modules/m)
    expect(readdirSync(reportsDir)).toEqual([])
  })

  it('is a test that can fail: a run does send', async () => {
    const before = packets()
    await runProduct(lab, { args: ['run', 'checks/pod/gateway'] })
    const after = packets()
    expect(after.sent).toBeGreaterThan(before.sent)
    expect(after.received).toBeGreaterThan(before.received)
  })
})

it('exits with 2 when the set-up cannot end: a hanging credential plug-in is cut off', async () => {
  const plugin = join(lab.dir, 'plugin')
  writeFileSync(plugin, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 })
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' }
  const path = lab.writeKubeconfig('plugin', kubeconfig(lab.pki, lab.plan, { user: { exec } }))
  const run = await runProduct(lab, { env: { KUBECONFIG: path } })
  expect(run.exitCode).toBe(2)
  expect(run.seconds).toBeLessThan(40)
  expect(missingFrom(run, /plugin/)).toEqual([])
  expectConsistent(run)
})
