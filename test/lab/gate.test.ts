/** The gate after an upgrade, by the product itself: a run before, then with a fault, with a lower MTU, mended, and waived. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { ChangeStatus } from '../../lib/types.ts'
import { run } from '../bed/namespace.ts'
import { type Lab, startLab } from './lab.ts'
import { expectConsistent } from './lab-expect.ts'
import { fromSource, rules } from './lab-injection.ts'
import { type ProductRun, runProduct, withVerdict } from './lab-product.ts'
import { missingFrom } from './lab-said.ts'

/** A few questions are enough: what is compared does not depend on which. */
const ASKED = ['host/forwarding', 'host/mtu-node', 'pod/external-ping', 'pod/gateway'].map((check) => `checks/${check}`)

/** The source pod does not get out. */
const shutIn = rules('node1', 'inet', 'forward priority -10', (lab) => fromSource(lab, lab.plan.outside))

// each is a run of the product and more, on a busy machine half a minute
vi.setConfig({ testTimeout: 180_000, hookTimeout: 300_000 })

let lab: Lab
let before: ProductRun
let broken: ProductRun
const ask = (env: Readonly<Record<string, string>> = {}) => runProduct(lab, { env, args: ['run', ...ASKED] })

async function whileShutIn<T>(work: () => Promise<T>): Promise<T> {
  shutIn.inject(lab)
  try {
    return await work()
  } finally {
    shutIn.undo(lab)
  }
}

beforeAll(async () => {
  lab = await startLab({ prefix: 'lbg' })
  before = await ask()
  broken = await whileShutIn(() => ask())
  expect([before.exitCode, broken.exitCode]).toEqual([0, 1])
}, 300_000)
afterAll(() => lab?.stop())

const gated = ({ reportsDir }: ProductRun) => ({ BASELINE: join(reportsDir, 'report-n1.json'), GATE: 'regressions' })
const changed = ({ report }: ProductRun, wanted: ChangeStatus) =>
  (report.comparison?.changes ?? []).filter(({ status }) => status === wanted).map(({ id }) => id)

it('a sound run says what node and cluster are set to, and is no regression beside itself', async () => {
  const topics = new Set(before.report.environment?.map(({ topic }) => topic))
  expect([...topics].sort()).toEqual(['cni', 'dns', 'kernel', 'kubernetes', 'mtu', 'route', 'runtime', 'sysctl'])
  const again = await ask(gated(before))
  expect(again.report.comparison).toMatchObject({ changes: [], worse: [], stateChanges: [] })
  expect(again.exitCode).toBe(0)
  expectConsistent(again)
})

it('a new failure fails the gate, and every report calls it new', async () => {
  const after = await whileShutIn(() => ask(gated(before)))
  expect(after.exitCode).toBe(1)
  expect(changed(after, 'new')).toHaveLength(2)
  expect(missingFrom(after, /Compared with the run of .* on node n1: 2 new failures|"status":"new"/)).toEqual([])
  expectConsistent(after)
})

it('what failed before is known: it stays to be seen and does not fail the gate', async () => {
  const after = await whileShutIn(() => ask(gated(broken)))
  expect(after.exitCode).toBe(0)
  expect(changed(after, 'known')).toHaveLength(2)
  expect(withVerdict(after.report, 'fail')).toEqual(['pod/external-ping IPv4', 'pod/external-ping IPv6'])
  expect(after.stdout).toMatch(/^FAIL known/m)
  expectConsistent(after)
})

it('what is mended is said to be fixed', async () => {
  const after = await ask(gated(broken))
  expect(after.exitCode).toBe(0)
  expect(changed(after, 'fixed')).toHaveLength(2)
  expect(missingFrom(after, /2 fixed|"status":"fixed"/)).toEqual([])
})

it('a lower path MTU fails the gate although every check passes, beside the interface that was set differently', async () => {
  const mtu = (bytes: number) =>
    lab.nodes.forEach(({ namespace }) => {
      run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'mtu', `${bytes}`])
    })
  mtu(1480)
  const after = await ask(gated(before)).finally(() => mtu(1500))
  expect(withVerdict(after.report, 'fail')).toEqual([])
  expect(after.report.comparison?.worse.map(({ code, before: was, now }) => [code, was, now])).toEqual(
    Array(2).fill(['PATH_MTU_REDUCED', 1500, 1480]),
  )
  expect(after.report.comparison?.stateChanges).toContainEqual({ topic: 'mtu', name: 'eth0', before: 1500, now: 1480 })
  expect(missingFrom(after, /MTU of eth0: 1500 before, 1480 now|"name":"eth0","before":1500,"now":1480/)).toEqual([])
  expect(after.exitCode).toBe(1)
  expectConsistent(after)
})

function waivers(expires: string): string {
  const path = join(mkdtempSync(join(lab.dir, 'waivers-')), 'known.yaml')
  writeFileSync(path, `- {check: pod/external-ping, code: UNREACHABLE, reason: ticket 4711, expires: ${expires}}\n`)
  return path
}

it('a waived failure does not fail the run, with reason and last day in every report', async () => {
  const waived = await whileShutIn(() => ask({ KNOWN_ISSUES: waivers('2999-12-31') }))
  expect(waived.exitCode).toBe(0)
  expect(missingFrom(waived, /waived until 2999-12-31, ticket 4711|"expires":"2999-12-31"/)).toEqual([])
  expectConsistent(waived)
})

it('a waiver that has run out fails a run in which nothing else does', async () => {
  const expired = await ask({ KNOWN_ISSUES: waivers('2020-01-01') })
  expect(expired.exitCode).toBe(1)
  expect(missingFrom(expired, /the waiver of pod\/external-ping UNREACHABLE ran out on 2020-01-01/)).toEqual([])
  expectConsistent(expired)
})

it('input that cannot be used: all of it is said at once, and nothing is sent', async () => {
  const path = join(mkdtempSync(join(lab.dir, 'bad-')), 'known.yaml')
  writeFileSync(path, '- {check: pod/nosuch, reason: x, expires: 2999-12-31}\n- {check: gateway}\n')
  const bad = await ask({ BASELINE: `${lab.dir}/none.json`, GATE: 'perhaps', KNOWN_ISSUES: path })
  expect(bad.exitCode).toBe(2)
  for (const said of [
    /none\.json: it does not exist/,
    /GATE=perhaps: this is no gate/,
    /names check "pod\/nosuch"/,
    /entry 2 has no reason/,
  ]) {
    expect(missingFrom(bad, said)).toEqual([])
  }
  expect(withVerdict(bad.report, 'pass')).toEqual([])
  expectConsistent(bad)
})
