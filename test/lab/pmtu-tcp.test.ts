/** What a full-size TCP segment meets on real paths: carried, made smaller, never acknowledged. */
import type { ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { fullSegment } from '../../lib/probe/pmtu/index.ts'
import type { Family, Target } from '../../lib/types.ts'
import { ip, netnsPath, startIn } from '../bed/namespace.ts'
import { B, type Chain, makeChain, random } from './icmp-bed.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
const PORT = 8080
const CLOSED = 8081
/** Resets whoever sends something, and answers nobody. */
const RESETS = 8082
const SERVER = `const net = require('node:net')
net.createServer((s) => s.on('error', () => {}).resume()).listen(${PORT}, '::')
net.createServer((s) => s.on('error', () => {}).resetAndDestroy()).listen(${RESETS}, '::')`

let chain: Chain
let server: ChildProcess

beforeAll(async () => {
  console.log(`seed ${seed}`)
  chain = makeChain(`ict${process.pid}`)
  server = startIn(chain.b, process.execPath, ['-e', SERVER], '/dev/null')
  await enterNamespace(netnsPath(chain.a))
  for (let tries = 0; tries < 100 && !(await listens()); tries++) await sleep(50)
})
afterAll(() => {
  if (server?.pid) process.kill(-server.pid, 'SIGKILL')
  chain?.remove()
})
beforeEach(() => {
  chain.clear()
  chain.farMtu(1500)
  // what the kernel has learned of a path is TCP's to use: each test starts without
  for (const family of ['-4', '-6']) ip(`${family} -n ${chain.a} route flush cache`)
})

const listens = () =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: B[4], port: RESETS })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

const target = (family: Family, port = PORT): Target => ({
  role: 'the target',
  name: 'b',
  address: B[family],
  family,
  protocol: 'tcp',
  port,
})

describe.for([4, 6] as const)('IPv%i', (family) => {
  test('a healthy path carries it', async () => {
    const result = await fullSegment(target(family))
    expect(result).toMatchObject({ state: 'carried', packetBytes: 1500, pathMtu: 1500, retransmissions: 0 })
    expect(result.ms).toBeLessThan(1000)
  })

  test('where the path says that it is smaller, TCP goes down', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    // the peer would ask for no more than its own link takes: the limit must be unknown to both ends
    ip(`-n ${chain.b} link set eth0 mtu 1500`)
    expect(await fullSegment(target(family))).toMatchObject({ state: 'adapted', packetBytes: far, pathMtu: far })
    // the second one knows already
    expect(await fullSegment(target(family))).toMatchObject({ state: 'carried', packetBytes: far, pathMtu: far })
  })

  test('in a black hole it is sent again and again', async () => {
    const far = pick(1280, 1480)
    chain.forward(`meta length gt ${far} drop`)
    const result = await fullSegment(target(family))
    expect(result).toMatchObject({ state: 'stalled', packetBytes: 1500, pathMtu: 1500 })
    expect(result.retransmissions).toBeGreaterThan(0)
    expect(result.ms).toBeLessThan(4000)
  })

  test('a closed port is no evidence', async () => {
    expect(await fullSegment(target(family, CLOSED))).toMatchObject({ state: 'unconnected', packetBytes: null })
  })

  test('nor is a peer that resets at once', async () => {
    const { state } = await fullSegment(target(family, RESETS))
    expect(['ended', 'unconnected']).toContain(state)
  })
})
