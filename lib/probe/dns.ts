/**
 * DNS: does this server answer this question? Queries go to IP literals by dgram and net sockets of this process's
 * namespace; dns.lookup and dns.Resolver are not used, because their retries may leave from another namespace.
 */
import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { type DnsQuestion, encodeQuery, parseAnswer } from '../packet/dns.ts'
import type { Target } from '../types.ts'
import { deadline } from './deadline.ts'
import { type DnsResult, type DnsState, NOTHING, readReply } from './dns-result.ts'
import { askOverUdp } from './dns-udp.ts'
import { NEXT_HOP_SILENT } from './next-hop.ts'
import { eachWithin } from './pool.ts'
import { dial, type TcpState } from './tcp.ts'

export type { DnsAnswer, DnsMeaning, DnsQuestion, DnsType } from '../packet/dns.ts'
export type { DnsResult, DnsState } from './dns-result.ts'

export interface DnsOptions {
  /** Milliseconds for each transport; default 3000, with UDP queries at 0, 500, 1200 and 2200. */
  readonly budgetMs?: number
  /** Repeats of a question stay on one source port: what is silent is one backend of a virtual address, not the address. */
  readonly oneBackend?: boolean
}

const BUDGET_MS = 3000

/**
 * Asks every server the same question, at most 256 at once. A target's protocol is udp (the default) or tcp; it needs a
 * port. Each UDP try has an id, a source port and thereby a conntrack entry of its own. Throws for a name that DNS cannot
 * carry.
 */
export async function askDns(
  servers: readonly Target[],
  question: DnsQuestion,
  options: DnsOptions = {},
): Promise<readonly DnsResult[]> {
  const { budgetMs = BUDGET_MS, oneBackend = false } = options
  encodeQuery(0, question)
  return eachWithin(servers, async (target) => {
    const overTcp = () => askOverTcp(target, question, budgetMs, oneBackend)
    if (target.protocol === 'tcp') return overTcp()
    const result = await askOverUdp(target, question, budgetMs, oneBackend)
    return result.truncated ? { ...(await overTcp()), truncated: true } : result
  })
}

async function askOverTcp(
  target: Target,
  question: DnsQuestion,
  budgetMs: number,
  oneBackend: boolean,
): Promise<DnsResult> {
  const first = await askOnce(target, question, budgetMs, oneBackend)
  return first.closed ? (await askOnce(target, question, budgetMs, oneBackend)).result : first.result
}

/** `closed`: the server ended the connection before it had answered. Some do when the query is late; RFC 7766 has clients ask again. */
async function askOnce(
  target: Target,
  question: DnsQuestion,
  budgetMs: number,
  oneBackend: boolean,
): Promise<{ readonly result: DnsResult; readonly closed: boolean }> {
  const { socket, result } = await dial(target, { budgetMs }, oneBackend ? [0] : undefined)
  const tries = result.resent ? 2 : 1
  const base = {
    ...NOTHING,
    target,
    question,
    transport: 'tcp' as const,
    tries,
    detail: result.state === 'unresolved' ? NEXT_HOP_SILENT : result.errno,
  }
  if (!socket) return { result: { ...base, state: FROM_TCP[result.state] }, closed: false }
  const id = randomInt(0x10000)
  const started = performance.now()
  const reply = await exchange(socket, encodeQuery(id, question), budgetMs)
  if (reply instanceof Error) {
    const silent = { ...base, state: 'no-answer' as const, detail: `TCP connected, but ${reply.message}` }
    return { result: silent, closed: reply.message === CLOSED }
  }
  return { result: { ...base, ...readReply(parseAnswer(reply, id, question), started) }, closed: false }
}

const FROM_TCP: Readonly<Record<TcpState, DnsState>> = {
  connected: 'no-answer',
  refused: 'refused-port',
  rejected: 'rejected',
  unresolved: 'no-answer',
  silent: 'no-answer',
  'no-route': 'no-route',
  'local-error': 'local-error',
  'not-asked': 'local-error',
  intercepted: 'local-error',
}

const LENGTH_BYTES = 2
const CLOSED = 'the server closed the connection without an answer'

/** Sends one message with its length in front (RFC 1035 section 4.2.2) and returns the first message that comes back. */
function exchange(socket: Socket, query: Uint8Array, budgetMs: number): Promise<Buffer | Error> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0)
    const settle = (outcome: Buffer | Error) => {
      cancel()
      socket.destroy()
      resolve(outcome)
    }
    const cancel = deadline(budgetMs, () => settle(new Error(`no answer came within ${budgetMs} ms`)))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < LENGTH_BYTES) return
      const end = LENGTH_BYTES + received.readUInt16BE(0)
      if (received.length >= end) settle(received.subarray(LENGTH_BYTES, end))
    })
    socket.on('error', (error: NodeJS.ErrnoException) => settle(new Error(`the connection broke (${error.code})`)))
    socket.on('close', () => settle(new Error(CLOSED)))
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
}
