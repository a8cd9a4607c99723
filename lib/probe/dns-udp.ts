/** One DNS question over UDP, asked again and again within a budget until something believable comes back. */
import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo } from 'node:dgram'
import { canonicalAddress, withoutZone } from '../packet/address.ts'
import { type DnsQuestion, encodeQuery, parseAnswer } from '../packet/dns.ts'
import type { Target } from '../types.ts'
import { deadline } from './deadline.ts'
import { type DnsResult, type DnsState, NOTHING, readReply } from './dns-result.ts'
import { type UdpState, udpStateOf } from './udp.ts'

const SEND_AT_MS = [0, 500, 1200, 2200] as const

/**
 * Asks `target`. The first and third query leave from connected sockets: the kernel drops strangers and reports ICMP
 * port unreachable. The second and fourth from unconnected ones, which see an answer that comes from a wrong address.
 * `oneBackend`: every query that counts leaves from the first socket, so that a virtual address sends all of them to one
 * backend; the unconnected sockets then look out for strangers only.
 */
export function askOverUdp(
  target: Target,
  question: DnsQuestion,
  budgetMs: number,
  oneBackend: boolean,
): Promise<DnsResult> {
  return new Promise((resolve) => {
    const opened: Query[] = []
    let tries = 0
    let suspicion: Said = { state: 'no-answer' }
    let settled = false
    const settle = (said: Said) => {
      if (settled) return
      settled = true
      for (const timer of timers) clearTimeout(timer)
      cancel()
      for (const query of opened) query.close()
      resolve({ ...NOTHING, target, question, transport: 'udp', tries, detail: null, ...said })
    }
    const hear = (said: Said, final: boolean) => {
      if (final) settle(said)
      else suspicion = said
    }
    const ask = (index: number) => {
      tries++
      const connected = index % 2 === 0
      const first = opened[0]
      if (!oneBackend || !first) return opened.push(openQuery(target, question, connected, index, hear))
      first.send(index)
      const strangersOnly = (said: Said) => said.state === 'wrong-source' && hear(said, false)
      if (!connected) opened.push(openQuery(target, question, connected, index, strangersOnly))
    }
    const timers = SEND_AT_MS.filter((at) => at < budgetMs).map((at, index) => setTimeout(ask, at, index))
    const cancel = deadline(budgetMs, () => settle(suspicion))
  })
}

/** What was heard, as a part of a result. */
type Said = Partial<DnsResult> & { readonly state: DnsState }

interface Query {
  /** The query once more, as the n-th of the question, with an id of its own: its answer is told from a late one to the first. */
  send(nth: number): void
  close(): void
}

/** Sends the n-th query from a socket of its own; `hear` gets what comes back, `final` when that settles the question. */
function openQuery(
  target: Target,
  question: DnsQuestion,
  connected: boolean,
  nth: number,
  hear: (said: Said, final: boolean) => void,
): Query {
  const { address, port } = target
  if (port === undefined) throw new TypeError(`target ${target.name} (${address}) has no port`)
  const start = randomInt(0x10000)
  const sentAt = new Map<number, { readonly nth: number; readonly started: number }>()
  const socket = createSocket(target.family === 6 ? 'udp6' : 'udp4')
  const failed = (error: NodeJS.ErrnoException, local: boolean) =>
    hear({ state: FROM_UDP[udpStateOf(error.code ?? '', local)], detail: error.code ?? null }, true)
  // Without a callback Node drops the errors of send(2). On a connected socket they may be an ICMP error's.
  const sent = (error: Error | null) => error && failed(error, !connected)
  const send = (which: number) => {
    const id = (start + which) & 0xffff
    const query = encodeQuery(id, question)
    sentAt.set(id, { nth: which, started: performance.now() })
    if (connected) socket.send(query, sent)
    else socket.send(query, port, address, sent)
  }
  socket.on('error', (error) => failed(error, !connected))
  socket.on('message', (message, from) => {
    const carried = message.length >= 2 ? message.readUInt16BE(0) : start
    const id = sentAt.has(carried) ? carried : start
    const { nth: which, started } = sentAt.get(id) ?? { nth, started: performance.now() }
    const parsed = parseAnswer(message, id, question)
    const reply = readReply(parsed, started)
    if (isFrom(target, from)) hear(which > 0 ? { ...reply, repeated: true } : reply, parsed.kind === 'answer')
    else if (parsed.kind === 'answer') hear(strange(from), false)
  })
  if (connected) socket.connect(port, address, (error?: Error) => (error ? failed(error, true) : send(nth)))
  else send(nth)
  const close = () => {
    socket.removeAllListeners().on('error', ignore)
    socket.close()
  }
  return { send, close }
}

function strange({ address, port }: RemoteInfo): Said {
  return { state: 'wrong-source', detail: `the answer came from ${address} port ${port}` }
}

/** Link-local sources carry a zone in Node (fe80::1%eth0) that the target may or may not name. */
function isFrom(target: Target, from: RemoteInfo): boolean {
  const bare = (address: string) => canonicalAddress(withoutZone(address))
  return from.port === target.port && bare(from.address) === bare(target.address)
}

const FROM_UDP: Readonly<Record<UdpState, DnsState>> = {
  answered: 'answered',
  refused: 'refused-port',
  rejected: 'rejected',
  silent: 'no-answer',
  'no-route': 'no-route',
  'local-error': 'local-error',
}

function ignore(): void {}
