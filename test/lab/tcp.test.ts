import { createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { attemptsFor, connect, connectRepeatedly } from '../../lib/probe/tcp.ts'
import type { Target } from '../../lib/types.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { addChain, flushRules, type Pair, pair } from '../bed/pair.ts'

const OPEN = 8080
const FILTERED = 8081
const CLOSED = 8082

let bed: Pair
let server: Server
const accepted: Socket[] = []

const target = (address: string, port = OPEN): Target => ({
  role: 'the peer',
  name: address,
  address,
  family: address.includes(':') ? 6 : 4,
  protocol: 'tcp',
  port,
})
const both = (port: number) => [target('198.18.0.2', port), target('2001:db8::2', port)]
const filter = (rules: string) => addChain(bed.server, 'inet', 'filter hook input priority 0', rules)
const states = async (targets: readonly Target[], options = {}) =>
  (await connect(targets, options)).map(({ state, errno }) => [state, errno])

beforeAll(async () => {
  bed = pair('pb-tcp')
  // The listener stays in the namespace it was made in; the test then moves on into the client's.
  await enterNamespace(netnsPath(bed.server))
  server = createServer((socket) => accepted.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(OPEN, '::', resolve))
  await enterNamespace(netnsPath(bed.client))
})
afterAll(async () => {
  for (const socket of accepted) socket.destroy()
  server.close()
  await bed.remove()
})
afterEach(() => flushRules(bed.server))

describe('connect', () => {
  it('connects over both families with one SYN, in the order of the targets', async () => {
    const results = await connect(both(OPEN))
    expect(results.map((result) => [result.target.family, result.state, result.syns])).toEqual([
      [4, 'connected', 1],
      [6, 'connected', 1],
    ])
    for (const { ms } of results) expect(ms).toBeLessThan(250)
  })

  it('closes what it opened with a FIN, never a reset', async () => {
    accepted.length = 0
    const resets: string[] = []
    server.on('connection', (socket) => socket.on('error', (error) => resets.push(error.message)))
    await connect([target('198.18.0.2')])
    await expect.poll(() => accepted.at(-1)?.readableEnded || accepted.at(-1)?.resume().destroyed).toBe(true)
    expect(resets).toEqual([])
    expect(accepted.at(-1)?.bytesRead).toBe(0)
  })

  it('says refused for a closed port', async () => {
    expect(await states(both(CLOSED))).toEqual([
      ['refused', 'ECONNREFUSED'],
      ['refused', 'ECONNREFUSED'],
    ])
  })

  it.each([
    ['tcp reset', 'reject with tcp reset', 'refused', 'ECONNREFUSED', 'ECONNREFUSED'],
    ['port unreachable', 'reject with icmpx port-unreachable', 'refused', 'ECONNREFUSED', 'ECONNREFUSED'],
    ['administratively prohibited', 'reject with icmpx admin-prohibited', 'rejected', 'EHOSTUNREACH', 'EACCES'],
    ['host unreachable', 'reject with icmpx host-unreachable', 'rejected', 'EHOSTUNREACH', 'EHOSTUNREACH'],
    ['net unreachable', 'reject with icmpx no-route', 'rejected', 'ENETUNREACH', 'ENETUNREACH'],
  ])('understands a firewall that rejects with %s', async (_name, rule, state, errno4, errno6) => {
    filter(`tcp dport ${FILTERED} ${rule}`)
    expect(await states(both(FILTERED))).toEqual([
      [state, errno4],
      [state, errno6],
    ])
  })

  it('says silent, after its budget and several sockets, for a firewall that drops', async () => {
    filter(`tcp dport ${FILTERED} drop`)
    const started = performance.now()
    const results = await connect(both(FILTERED), { budgetMs: 1200 })
    expect(results.map(({ state, ms, syns }) => [state, ms, syns])).toEqual([
      ['silent', null, 3],
      ['silent', null, 3],
    ])
    expect(performance.now() - started).toBeLessThan(1600)
  })

  it('is not deceived by one lost SYN', async () => {
    filter(
      `tcp dport ${OPEN} tcp flags syn limit rate over 1/hour burst 1 packets accept; tcp dport ${OPEN} tcp flags syn drop`,
    )
    const [result] = await connect([target('198.18.0.2')])
    expect(result).toMatchObject({ state: 'connected', syns: 2 })
    expect(result?.ms).toBeLessThan(250)
  })

  it.each([
    ['no route', '203.0.113.1', null, 'ENETUNREACH'],
    ['an unreachable route', '203.0.113.1', 'unreachable 203.0.113.0/24', 'EHOSTUNREACH'],
    ['a prohibit route', '203.0.113.1', 'prohibit 203.0.113.0/24', 'EACCES'],
    ['a blackhole route', '203.0.113.1', 'blackhole 203.0.113.0/24', 'EINVAL'],
    ['no IPv6 route', '2001:db8:1::1', null, 'ENETUNREACH'],
  ])('says no-route for %s', async (_name, address, route, errno) => {
    if (route) ip(`-n ${bed.client} route add ${route}`)
    try {
      expect(await states([target(address)])).toEqual([['no-route', errno]])
    } finally {
      if (route) ip(`-n ${bed.client} route del ${route}`)
    }
  })

  it('says refused for a closed port of its own', async () => {
    expect(await states([target('127.0.0.1', CLOSED)])).toEqual([['refused', 'ECONNREFUSED']])
  })

  it('asks 2,000 targets and keeps their order', async () => {
    ip(`-n ${bed.server} route add local 198.18.64.0/21 dev lo`)
    ip(`-n ${bed.client} route add 198.18.64.0/21 via 198.18.0.2`)
    const many = Array.from({ length: 2000 }, (_, i) =>
      target(`198.18.${64 + (i >> 8)}.${i & 255}`, i % 100 ? OPEN : CLOSED),
    )
    const results = await connect(many)
    expect(results.map(({ target }) => target.address)).toEqual(many.map(({ address }) => address))
    expect(results.filter(({ state }) => state === 'connected')).toHaveLength(1980)
    expect(results.filter(({ state }) => state === 'refused')).toHaveLength(20)
  })

  it('stops asking when hundreds are silent and nobody answered', async () => {
    filter('ip saddr 198.18.0.1 drop')
    const many = Array.from({ length: 1000 }, (_, i) => target(`198.18.${64 + (i >> 8)}.${i & 255}`))
    const results = await connect(many, { budgetMs: 500 })
    expect(results.slice(0, 256).every(({ state }) => state === 'silent')).toBe(true)
    expect(results.slice(256).every(({ state, syns }) => state === 'not-asked' && syns === 0)).toBe(true)
  })

  it('answers although the event loop was held up for longer than the budget', async () => {
    const asked = connect([target('198.18.0.2')], { budgetMs: 200 })
    await new Promise((resolve) => setImmediate(resolve))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
    expect((await asked)[0]?.state).toBe('connected')
  })
})

describe('connectRepeatedly', () => {
  const vip = target('203.0.113.10')
  const backends = [11, 12, 13, 14]
  beforeAll(() => {
    for (const host of backends) ip(`-n ${bed.server} address add 198.18.0.${host}/24 dev eth0`)
    ip(`-n ${bed.client} route add 203.0.113.0/24 via 198.18.0.2`)
    const map = backends.map((host, index) => `${index} : 198.18.0.${host}`).join(', ')
    const rule = `ip daddr 203.0.113.10 dnat to numgen random mod ${backends.length} map { ${map} }`
    addChain(bed.client, 'ip', 'nat hook output priority -100', rule)
  })

  it('connects every time when all backends are alive', async () => {
    const times = attemptsFor(backends.length)
    expect(await connectRepeatedly(vip, times)).toMatchObject({ asked: times, connected: times, refused: 0, silent: 0 })
  })

  it.each([
    ['silent', 'drop', 'silent'],
    ['refusing', 'tcp dport 8080 reject with tcp reset', 'refused'],
    ['rejecting', 'tcp dport 8080 reject with icmpx admin-prohibited', 'rejected'],
  ] as const)('meets the one %s backend of four', async (_name, verdict, state) => {
    filter(`ip daddr 198.18.0.13 ${verdict}`)
    const found = await connectRepeatedly(vip, attemptsFor(backends.length), { budgetMs: 800 })
    expect(found[state]).toBeGreaterThan(0)
    expect(found.connected).toBeGreaterThan(0)
    // The kernel sends a few ICMP errors only (icmp_ratelimit): other connections to a rejecting backend stay silent.
    const healthy = found.asked - found[state] - (state === 'rejected' ? found.silent : 0)
    expect(found.connected).toBe(healthy)
  })
})
