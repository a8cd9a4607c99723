/** The test bed leaves nothing behind, whatever becomes of its owner. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { openBed } from '../bed/bed.ts'
import { run } from '../bed/namespace.ts'
import { leftovers } from '../bed/teardown.ts'
import { textOf } from '../bed/text.ts'

const PREFIX = 'e2ebed'
const DIR = join(tmpdir(), `k8snetlook-${PREFIX}`)
const OWNER = fileURLToPath(new URL('owner.ts', import.meta.url))

const owners: ChildProcess[] = []

afterEach(async () => {
  for (const owner of owners.splice(0)) owner.kill('SIGKILL')
  await gone()
})

async function startOwner(): Promise<ChildProcess> {
  const owner = spawn(process.execPath, ['--import', 'tsx', OWNER, PREFIX], { stdio: ['ignore', 'pipe', 'inherit'] })
  owners.push(owner)
  const [said] = await once(owner.stdout, 'data')
  expect(String(said)).toBe('up\n')
  return owner
}

/** Waits until nothing is left of the bed, and returns what is left after 10 s. */
async function gone(): Promise<string[]> {
  for (let tries = 0; tries < 100 && leftovers(DIR, PREFIX).length > 0; tries++) await sleep(100)
  return leftovers(DIR, PREFIX)
}

/** Everything of containerd's and CNI's that lives outside of the bed's directory, on the whole machine. */
const outside = () => ['/run/netns', '/run/containerd/s', '/var/lib/cni/results'].flatMap(list).sort()

/** The one shim among what a bed has, and the id of its pod. */
function shimOf(made: readonly string[]): { pid: number; pod: string } {
  const pid = Number(made.find((line) => line.startsWith('shim'))?.split(' ')[2])
  const [, pod = 'unknown'] = /-id\0([0-9a-f]{64})/.exec(textOf(`/proc/${pid}/cmdline`)) ?? []
  return { pid, pod }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).map((name) => `${dir}/${name}`)
  } catch {
    return []
  }
}

describe('a bed whose owner ends by', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('%s leaves nothing behind', async (signal) => {
    const owner = await startOwner()
    const made = leftovers(DIR, PREFIX)
    expect(made).toEqual(expect.arrayContaining([`namespace ${PREFIX}-n1`, `directory ${DIR}`]))
    expect(made.filter((line) => line.startsWith('shim process'))).toHaveLength(1)
    const { pod } = shimOf(made)
    expect(outside().filter((path) => path.includes(pod))).not.toEqual([])
    owner.kill(signal)
    expect(await gone()).toEqual([])
    expect(outside().filter((path) => path.includes(pod))).toEqual([])
  })
})

test('a pod that is being deleted when the bed ends leaves nothing behind', async () => {
  const owner = await startOwner()
  const shim = shimOf(leftovers(DIR, PREFIX))
  const bundle = join(DIR, 'n1/containerd/state/io.containerd.runtime.v2.task/k8s.io', shim.pod)
  const records = outside().filter((path) => path.includes(shim.pod))
  const [, pinned = 'unknown'] = /\/netns\/(cni-[0-9a-f-]+)/.exec(records.map(textOf).join()) ?? []
  expect(outside()).toContain(`/run/netns/${pinned}`)
  // its process, its socket and its bundle go first, then what CNI made for it
  const [, socket = 'unknown'] = /unix:\/\/(\S+)/.exec(textOf(join(bundle, 'address'))) ?? []
  process.kill(shim.pid, 'SIGKILL')
  run('umount', ['-l', join(bundle, 'rootfs')])
  rmSync(bundle, { recursive: true })
  rmSync(socket)
  owner.kill('SIGTERM')
  expect(await gone()).toEqual([])
  expect(outside().filter((path) => path.includes(shim.pod) || path.endsWith(pinned))).toEqual([])
})

test('a prefix that is in use is refused, naming the process', async () => {
  const owner = await startOwner()
  await expect(openBed(PREFIX)).rejects.toThrow(`in use by process ${owner.pid}`)
})

test('what a crashed machine left is cleaned up by the next bed', async () => {
  const owner = await startOwner()
  // as after a reboot: state on disk whose owner and reaper are gone
  const reaper = Number(readFileSync(join(DIR, 'reaper'), 'utf8').split(' ')[0])
  process.kill(reaper, 'SIGKILL')
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  expect(leftovers(DIR, PREFIX)).not.toEqual([])
  const bed = await openBed(PREFIX)
  expect(leftovers(DIR, PREFIX)).toEqual([`directory ${DIR}`])
  await bed.close()
})

test('closing says what could not be removed', async () => {
  const bed = await openBed(PREFIX)
  // a directory where a namespace should be: "ip netns del" cannot remove it
  const obstacle = `/run/netns/${PREFIX}-stays`
  mkdirSync(obstacle)
  try {
    await expect(bed.close()).rejects.toThrow(`namespace ${PREFIX}-stays`)
  } finally {
    rmdirSync(obstacle)
    rmSync(`${DIR}.reaper.log`)
  }
})
