import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { reverseName } from '../../lib/packet/dns.ts'
import { askDns, type DnsType } from '../../lib/probe/dns.ts'
import { burst } from '../../lib/probe/dns-burst.ts'
import type { Protocol, Target } from '../../lib/types.ts'
import { ip, netnsPath, startIn } from '../bed/namespace.ts'
import { addChain, flushRules, type Pair, pair } from '../bed/pair.ts'

const NAME = 'web.default.svc.cluster.local'
const LINK_LOCAL = 'fe80::2'

let bed: Pair
let nextPort = 5300
const dir = mkdtempSync(join(tmpdir(), 'dns-'))
const sockets: Socket[] = []
const servers: Server[] = []
const connections: TcpSocket[] = []

const server = (protocol: Protocol, port = 53, address = '198.18.0.2'): Target => ({
  role: 'the DNS server',
  name: address,
  address,
  family: address.includes(':') ? 6 : 4,
  protocol,
  port,
})
const ask = async (target: Target, name = NAME, type: DnsType = 'A', budgetMs = 3000) => {
  const [result] = await askDns([target], { name, type }, { budgetMs })
  return result
}

type Behaviour = (query: Buffer, from: RemoteInfo, socket: Socket) => void
const answerTo = (
  query: Buffer,
  flags = AUTHORITATIVE_ANSWER,
  answers: Answer[] = [address()],
  id = query.readUInt16BE(0),
) => encode({ type: 'response', id, flags, questions: decode(query).questions ?? [], answers })
const address = (data = '198.51.100.1'): Answer => ({ type: 'A', name: NAME, ttl: 5, data })

/** A UDP server of our own in the server's namespace that behaves as told. */
async function misbehave(behaviour: Behaviour): Promise<number> {
  const port = nextPort++
  await enterNamespace(netnsPath(bed.server))
  const socket = createSocket('udp4')
  sockets.push(socket)
  socket.on('message', (query, from) => behaviour(query, from, socket))
  await new Promise<void>((resolve) => socket.bind(port, '198.18.0.2', resolve))
  await enterNamespace(netnsPath(bed.client))
  return port
}

async function overTcp(port: number, behaviour: (query: Buffer, socket: TcpSocket) => void): Promise<number> {
  await enterNamespace(netnsPath(bed.server))
  const listener = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => {})
    socket.once('data', (data) => behaviour(data.subarray(2), socket))
  })
  servers.push(listener)
  await new Promise<void>((resolve) => listener.listen(port, '198.18.0.2', resolve))
  await enterNamespace(netnsPath(bed.client))
  return port
}
const framed = (message: Buffer) => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message])

beforeAll(async () => {
  bed = pair('pb-dns')
  ip(`-n ${bed.server} address add ${LINK_LOCAL}/64 dev eth0 nodad`)
  const many = Array.from({ length: 100 }, (_, i) => `--host-record=many.cluster.local,203.0.113.${i}`)
  const records = [
    `--host-record=${NAME},198.51.100.1,2001:db8:51::1`,
    '--host-record=four.cluster.local,198.51.100.4',
    '--cname=alias.cluster.local,four.cluster.local',
    '--local=/cluster.local/',
    ...many,
  ]
  const listen = ['--no-daemon', '--no-resolv', '--no-hosts', '--bind-interfaces', '--interface=eth0', '--user=root']
  startIn(bed.server, 'dnsmasq', ['--conf-file=/dev/null', '--pid-file=', ...listen, ...records], join(dir, 'log'))
  await enterNamespace(netnsPath(bed.client))
  await vi.waitFor(async () => expect((await ask(server('udp')))?.state).toBe('answered'), 10_000)
})
afterAll(async () => {
  for (const socket of sockets) socket.close()
  for (const connection of connections) connection.destroy()
  for (const listener of servers) listener.close()
  await bed.remove()
  rmSync(dir, { recursive: true })
})

describe('a sound server', () => {
  it.each(['198.18.0.2', '2001:db8::2', `${LINK_LOCAL}%eth0`])('answers at %s over UDP and TCP', async (where) => {
    for (const protocol of ['udp', 'tcp'] as const) {
      const found = await ask(server(protocol, 53, where), `${NAME}.`)
      expect(found).toMatchObject({
        state: 'answered',
        meaning: 'data',
        addresses: ['198.51.100.1'],
        transport: protocol,
      })
      expect(found).toMatchObject({ tries: 1, truncated: false, rcode: 'NOERROR', detail: null })
      expect(found?.ms).toBeLessThan(400)
    }
  })

  it.each([
    [NAME, 'AAAA', 'data', 'NOERROR', ['2001:db8:51::1'], []],
    ['four.cluster.local', 'AAAA', 'nodata', 'NOERROR', [], []],
    ['alias.cluster.local', 'A', 'data', 'NOERROR', ['198.51.100.4'], ['four.cluster.local']],
    ['alias.cluster.local', 'CNAME', 'data', 'NOERROR', [], ['four.cluster.local']],
    ['nobody.cluster.local', 'A', 'nxdomain', 'NXDOMAIN', [], []],
    ['elsewhere.example', 'A', 'refused', 'REFUSED', [], []],
  ] as const)('%s %s is %s', async (name, type, meaning, rcode, addresses, cnames) => {
    expect(await ask(server('udp'), name, type)).toMatchObject({ state: 'answered', meaning, rcode, addresses, cnames })
  })

  it('says the name of an address, and takes EDNS', async () => {
    expect(await ask(server('udp'), reverseName('198.51.100.1'), 'PTR')).toMatchObject({
      meaning: 'data',
      names: [NAME],
    })
    const [found] = await askDns([server('udp')], { name: NAME, type: 'A', edns: true })
    expect(found).toMatchObject({ meaning: 'data', addresses: ['198.51.100.1'] })
  })

  it.each(['198.18.0.2', '2001:db8::2'])(
    'answers many pairs of A and AAAA, each from one socket, at %s',
    async (where) => {
      const pairs = await burst(server('udp', 53, where), NAME, ['A', 'AAAA'], 20)
      expect(pairs.map(({ fates }) => fates)).toEqual(Array.from({ length: 20 }, () => ['first', 'first']))
      for (const { ms } of pairs) expect(ms).toBeLessThan(900)
    },
  )

  it('is asked over TCP when the answer does not fit', async () => {
    const found = await ask(server('udp'), 'many.cluster.local')
    expect(found).toMatchObject({ state: 'answered', meaning: 'data', truncated: true, transport: 'tcp' })
    expect(found?.addresses).toHaveLength(100)
  })

  it('is asked among others at once, and the order is kept', async () => {
    const servers = [server('udp'), server('udp', 99), server('tcp'), server('tcp', 99)]
    const results = await askDns(servers, { name: NAME, type: 'A' })
    expect(results.map(({ state }) => state)).toEqual(['answered', 'refused-port', 'answered', 'refused-port'])
  })
})

describe('a path that fails', () => {
  it.each(['udp', 'tcp'] as const)('no-answer, never before the budget ends, when %s is dropped', async (protocol) => {
    addChain(bed.server, 'inet', 'filter hook input priority 0', `meta l4proto ${protocol} th dport 53 drop`)
    try {
      const started = performance.now()
      const found = await ask(server(protocol), NAME, 'A', 1500)
      expect(found).toMatchObject({ state: 'no-answer', transport: protocol, meaning: null, rcode: null, ms: null })
      if (protocol === 'udp') expect(found?.tries).toBe(3)
      expect(performance.now() - started).toBeGreaterThanOrEqual(1490)
    } finally {
      flushRules(bed.server)
    }
  })

  it.each(['udp', 'tcp'] as const)('rejected, when a firewall says so over %s', async (protocol) => {
    const rule = `meta l4proto ${protocol} th dport 53 reject with icmpx admin-prohibited`
    addChain(bed.server, 'inet', 'filter hook input priority 0', rule)
    try {
      for (const where of ['198.18.0.2', '2001:db8::2']) {
        expect(await ask(server(protocol, 53, where))).toMatchObject({ state: 'rejected' })
      }
    } finally {
      flushRules(bed.server)
    }
  })

  it.each(['udp', 'tcp'] as const)('no-route, when there is none, over %s', async (protocol) => {
    expect(await ask(server(protocol, 53, '203.0.113.1'))).toMatchObject({ state: 'no-route', detail: 'ENETUNREACH' })
    expect(await ask(server(protocol, 53, '2001:db8:1::1'))).toMatchObject({ state: 'no-route' })
  })

  it('wrong-source, when the answer comes from another address', async () => {
    ip(`-n ${bed.server} address add 198.18.0.3/24 dev eth0`)
    const port = await misbehave(() => {})
    await enterNamespace(netnsPath(bed.server))
    const other = createSocket('udp4')
    sockets.push(other)
    await new Promise<void>((resolve) => other.bind(port, '198.18.0.3', resolve))
    await enterNamespace(netnsPath(bed.client))
    sockets[sockets.length - 2]?.on('message', (query, from) => other.send(answerTo(query), from.port, from.address))
    for (const oneBackend of [false, true]) {
      const question = { name: NAME, type: 'A' } as const
      const [found] = await askDns([server('udp', port)], question, { budgetMs: 1000, oneBackend })
      expect(found).toMatchObject({ state: 'wrong-source', detail: `the answer came from 198.18.0.3 port ${port}` })
    }
  })

  it('shows the dead one of two backends when every repeat stays with its own', async () => {
    const dead = await misbehave(() => {})
    ip(`-n ${bed.client} route add 203.0.113.0/24 via 198.18.0.2`)
    const rule = `ip daddr 203.0.113.10 udp dport 53 dnat to 198.18.0.2:numgen inc mod 2 map { 0 : 53, 1 : ${dead} }`
    addChain(bed.client, 'ip', 'nat hook output priority -100', rule)
    try {
      const many = Array.from({ length: 8 }, () => server('udp', 53, '203.0.113.10'))
      const results = await askDns(many, { name: NAME, type: 'A' }, { oneBackend: true })
      expect(results.filter(({ state }) => state === 'answered')).toHaveLength(4)
      expect(results.filter(({ state }) => state === 'no-answer')).toHaveLength(4)
    } finally {
      flushRules(bed.client)
      ip(`-n ${bed.client} route del 203.0.113.0/24 via 198.18.0.2`)
    }
  })

  it('rejected, when a local filter refuses to send', async () => {
    addChain(bed.client, 'inet', 'filter hook output priority 0', 'udp dport 53 drop')
    try {
      expect(await ask(server('udp'))).toMatchObject({ state: 'rejected', detail: 'EPERM', tries: 1 })
    } finally {
      flushRules(bed.client)
    }
  })
})

describe('a server that misbehaves', () => {
  it('is asked again when it is silent once or twice', async () => {
    let queries = 0
    const port = await misbehave((query, from, socket) => {
      if (++queries > 2) socket.send(answerTo(query), from.port, from.address)
    })
    const found = await ask(server('udp', port))
    expect(found).toMatchObject({ state: 'answered', tries: 3, addresses: ['198.51.100.1'] })
    expect(found?.ms).toBeLessThan(400)
  })

  it.each([
    ['answers the first query late', true, undefined],
    ['answers only the repeat', false, true],
  ])('%s, when every repeat stays with its backend', async (_, late, repeated) => {
    let queries = 0
    const port = await misbehave((query, from, socket) => {
      const reply = () => socket.send(answerTo(query), from.port, from.address)
      queries++
      if (late && queries === 1) setTimeout(reply, 700)
      if (!late && queries === 2) reply()
    })
    const [found] = await askDns([server('udp', port)], { name: NAME, type: 'A' }, { oneBackend: true })
    expect(found).toMatchObject({ state: 'answered', tries: 2 })
    expect(found?.repeated).toBe(repeated)
    if (late) expect(found?.ms).toBeGreaterThan(690)
    else expect(found?.ms).toBeLessThan(400)
  })

  it('does not know EDNS', async () => {
    const FORMERR = 1
    const port = await misbehave((query, from, socket) => {
      const extended = (decode(query).additionals ?? []).length > 0
      socket.send(extended ? answerTo(query, FORMERR, []) : answerTo(query), from.port, from.address)
    })
    const [plain] = await askDns([server('udp', port)], { name: NAME, type: 'A' })
    const [edns] = await askDns([server('udp', port)], { name: NAME, type: 'A', edns: true })
    expect([plain?.meaning, edns?.meaning, edns?.rcode]).toEqual(['data', 'other', 'FORMERR'])
  })

  it('loses the second of two queries from one port, once', async () => {
    const seen = new Map<number, number>()
    const port = await misbehave((query, from, socket) => {
      const nth = (seen.get(from.port) ?? 0) + 1
      seen.set(from.port, nth)
      const { questions = [] } = decode(query)
      const answers = questions[0]?.type === 'A' ? [address()] : []
      if (nth !== 2) socket.send(answerTo(query, AUTHORITATIVE_ANSWER, answers), from.port, from.address)
    })
    const pairs = await burst(server('udp', port), NAME, ['A', 'AAAA'], 10)
    expect(pairs.map(({ fates }) => fates)).toEqual(Array.from({ length: 10 }, () => ['first', 'repeat']))
    const alone = await burst(server('udp', port), NAME, ['AAAA'], 10)
    expect(alone.map(({ fates }) => fates)).toEqual(Array.from({ length: 10 }, () => ['first']))
  })

  it('uses another id and another port for every try', async () => {
    const ids = new Set<number>()
    const ports = new Set<number>()
    const port = await misbehave((query, from) => {
      ids.add(query.readUInt16BE(0))
      ports.add(from.port)
    })
    await ask(server('udp', port))
    expect([ids.size, ports.size]).toEqual([4, 4])
  })

  it.each([
    ['a wrong id', (query: Buffer) => answerTo(query, 0, [address()], (query.readUInt16BE(0) + 1) & 0xffff), 'the id'],
    [
      'another question',
      (query: Buffer) =>
        encode({ type: 'response', id: query.readUInt16BE(0), questions: [{ type: 'A', name: 'other.example' }] }),
      'another question',
    ],
    ['the query itself', (query: Buffer) => query, 'a query came back'],
    ['noise', () => Buffer.from('hello'), '5 bytes'],
    ['half a record', (query: Buffer) => answerTo(query).subarray(0, -2), 'cannot be decoded'],
  ])('malformed, with the reason, for %s', async (_name, reply, reason) => {
    const port = await misbehave((query, from, socket) => socket.send(reply(query), from.port, from.address))
    const found = await ask(server('udp', port), NAME, 'A', 800)
    expect(found).toMatchObject({ state: 'malformed', meaning: null, addresses: [] })
    expect(found?.detail).toContain(reason)
  })

  it('is believed when the true answer follows a forged one', async () => {
    const port = await misbehave((query, from, socket) => {
      socket.send(answerTo(query, 0, [address('203.0.113.66')], query.readUInt16BE(0) ^ 1), from.port, from.address)
      setTimeout(() => socket.send(answerTo(query), from.port, from.address), 30)
    })
    expect(await ask(server('udp', port))).toMatchObject({ state: 'answered', addresses: ['198.51.100.1'] })
  })

  it('SERVFAIL is an answer', async () => {
    const port = await misbehave((query, from, socket) => socket.send(answerTo(query, 2, []), from.port, from.address))
    expect(await ask(server('udp', port))).toMatchObject({ state: 'answered', meaning: 'servfail', rcode: 'SERVFAIL' })
  })

  it('truncates and then refuses TCP: the client has no answer', async () => {
    const port = await misbehave((query, from, socket) =>
      socket.send(answerTo(query, TRUNCATED_RESPONSE, []), from.port, from.address),
    )
    expect(await ask(server('udp', port))).toMatchObject({ state: 'refused-port', transport: 'tcp', truncated: true })
  })

  it('may send its TCP answer in pieces', async () => {
    const port = await overTcp(nextPort++, (query, socket) => {
      const bytes = framed(answerTo(query))
      socket.setNoDelay(true)
      for (const [index, byte] of bytes.entries()) setTimeout(() => socket.write(Uint8Array.of(byte)), index)
    })
    expect(await ask(server('tcp', port))).toMatchObject({ state: 'answered', addresses: ['198.51.100.1'] })
  })

  it('may close one TCP connection without an answer: it is asked once more', async () => {
    const port = nextPort++
    let connections = 0
    await overTcp(port, (query, socket) => {
      if (++connections === 1) socket.end()
      else socket.write(framed(answerTo(query)))
    })
    expect(await ask(server('tcp', port))).toMatchObject({ state: 'answered', addresses: ['198.51.100.1'] })
  })

  it.each([
    ['closes without an answer', (_: Buffer, socket: TcpSocket) => socket.end(), 'no-answer', 'closed the connection'],
    ['never answers', () => {}, 'no-answer', 'within 700 ms'],
    [
      'answers noise',
      (_: Buffer, socket: TcpSocket) => socket.write(framed(Buffer.from('hello'))),
      'malformed',
      '5 bytes',
    ],
  ] as const)('over TCP: %s', async (_name, behaviour, state, reason) => {
    const port = await overTcp(nextPort++, behaviour)
    const found = await ask(server('tcp', port), NAME, 'A', 700)
    expect(found).toMatchObject({ state, meaning: null })
    expect(found?.detail).toContain(reason)
  })
})
