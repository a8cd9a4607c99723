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
import { leftovers } from '../bed/teardown.ts'

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
    const pod = readFileSync(`/proc/${made.find((line) => line.startsWith('shim'))?.split(' ')[2]}/cmdline`, 'utf8')
    const id = /-id\0([0-9a-f]{64})/.exec(pod)?.[1] ?? 'unknown'
    expect(outside().filter((path) => path.includes(id))).not.toEqual([])
    owner.kill(signal)
    expect(await gone()).toEqual([])
    expect(outside().filter((path) => path.includes(id))).toEqual([])
  })
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
