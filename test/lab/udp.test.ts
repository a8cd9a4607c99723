import { createSocket, type Socket } from 'node:dgram'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { attemptsFor } from '../../lib/probe/tcp.ts'
import { askUdp, askUdpRepeatedly } from '../../lib/probe/udp.ts'
import type { Target } from '../../lib/types.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { addChain, flushRules, type Pair, pair } from '../bed/pair.ts'

const ECHO = 7007
const MUTE = 7008
const CLOSED = 7009

let bed: Pair
const sockets: Socket[] = []
const mute: number[] = []

const target = (address: string, port: number): Target => ({
  role: 'the peer',
  name: address,
  address,
  family: address.includes(':') ? 6 : 4,
  protocol: 'udp',
  port,
})
const both = (port: number) => [target('198.18.0.2', port), target('2001:db8::2', port)]
const filter = (rules: string) => addChain(bed.server, 'inet', 'filter hook input priority 0', rules)

beforeAll(async () => {
  bed = pair('pb-udp')
  await enterNamespace(netnsPath(bed.server))
  const listen = async (
    port: number,
    behave: (message: Buffer, port: number, address: string, socket: Socket) => void,
  ) => {
    const socket = createSocket('udp6')
    sockets.push(socket)
    socket.on('message', (message, from) => behave(message, from.port, from.address, socket))
    await new Promise<void>((resolve) => socket.bind(port, '::', resolve))
  }
  await listen(ECHO, (message, port, address, socket) => socket.send(message, port, address))
  await listen(MUTE, (message) => mute.push(message.length))
  await enterNamespace(netnsPath(bed.client))
})
afterEach(() => flushRules(bed.server))
afterAll(async () => {
  for (const socket of sockets) socket.close()
  await bed.remove()
})

it('answered: something came back, even an empty datagram', async () => {
  for (const payload of [undefined, Buffer.from('hello')]) {
    const results = await askUdp(both(ECHO), payload ? { payload } : {})
    for (const result of results) {
      expect(result).toMatchObject({ state: 'answered', sent: 1, answerBytes: payload?.length ?? 0, errno: null })
      expect(result.ms).toBeLessThan(250)
    }
  }
})

it('refused: nobody listens', async () => {
  for (const result of await askUdp(both(CLOSED))) {
    expect(result).toMatchObject({ state: 'refused', errno: 'ECONNREFUSED', answerBytes: null })
  }
})

it('silent: it arrived, and nothing came back', async () => {
  mute.length = 0
  const results = await askUdp(both(MUTE), { budgetMs: 500, payload: Buffer.from('x') })
  expect(results.map(({ state, ms, sent }) => [state, ms, sent])).toEqual([
    ['silent', null, 2],
    ['silent', null, 2],
  ])
  expect(mute).toEqual([1, 1, 1, 1])
})

it('silent: a firewall drops', async () => {
  filter('meta l4proto udp drop')
  for (const { state } of await askUdp(both(ECHO), { budgetMs: 400 })) expect(state).toBe('silent')
})

it('is not deceived by one lost datagram', async () => {
  filter('udp dport 7007 limit rate over 1/hour burst 1 packets accept;udp dport 7007 drop')
  const [result] = await askUdp([target('198.18.0.2', ECHO)])
  expect(result).toMatchObject({ state: 'answered', sent: 2 })
})

it.each([
  ['port unreachable', 'refused', 'ECONNREFUSED', 'ECONNREFUSED'],
  ['admin-prohibited', 'rejected', 'EHOSTUNREACH', 'EACCES'],
])('understands a firewall that rejects with %s', async (kind, state, errno4, errno6) => {
  filter(`meta l4proto udp reject with icmpx ${kind.replace(' ', '-')}`)
  const found = (await askUdp(both(ECHO), { budgetMs: 600 })).map((result) => [result.state, result.errno])
  expect(found).toEqual([
    [state, errno4],
    [state, errno6],
  ])
})

it('silent, as documented: host unreachable does not reach a UDP socket without IP_RECVERR', async () => {
  filter('meta l4proto udp reject with icmpx host-unreachable')
  for (const { state } of await askUdp(both(ECHO), { budgetMs: 400 })) expect(state).toBe('silent')
})

it.each([
  ['203.0.113.1', null, 'ENETUNREACH'],
  ['2001:db8:1::1', null, 'ENETUNREACH'],
  ['203.0.113.1', 'unreachable 203.0.113.0/24', 'EHOSTUNREACH'],
  ['203.0.113.1', 'prohibit 203.0.113.0/24', 'EACCES'],
  ['203.0.113.1', 'blackhole 203.0.113.0/24', 'EINVAL'],
])('no-route: %s (%s)', async (address, route, errno) => {
  if (route) ip(`-n ${bed.client} route add ${route}`)
  try {
    const [result] = await askUdp([target(address, ECHO)])
    expect(result).toMatchObject({ state: 'no-route', errno, sent: 0 })
  } finally {
    if (route) ip(`-n ${bed.client} route del ${route}`)
  }
})

it('rejected: a local filter refuses to send', async () => {
  addChain(bed.client, 'inet', 'filter hook output priority 0', 'meta l4proto udp drop')
  try {
    const [result] = await askUdp([target('198.18.0.2', ECHO)])
    expect(result).toMatchObject({ state: 'rejected', errno: 'EPERM' })
  } finally {
    flushRules(bed.client)
  }
})

it('meets the one dead backend of three', async () => {
  ip(`-n ${bed.client} route add 203.0.113.0/24 via 198.18.0.2`)
  const map = `0 : ${ECHO}, 1 : ${MUTE}, 2 : ${ECHO}`
  const rule = `ip daddr 203.0.113.1 udp dport ${ECHO} dnat to 198.18.0.2:numgen random mod 3 map { ${map} }`
  addChain(bed.client, 'ip', 'nat hook output priority -100', rule)
  const results = await askUdpRepeatedly(target('203.0.113.1', ECHO), attemptsFor(3), { budgetMs: 600 })
  const states = results.map(({ state }) => state)
  expect(new Set(states)).toEqual(new Set(['answered', 'silent']))
})
