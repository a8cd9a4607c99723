/** One DNS question over UDP, asked again and again within a budget until something believable comes back. */
import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
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
 * `oneBackend`: every query leaves from the first socket, so that a virtual address sends all of them to one backend.
 */
export function askOverUdp(
  target: Target,
  question: DnsQuestion,
  budgetMs: number,
  oneBackend: boolean,
): Promise<DnsResult> {
  const { port } = target
  if (port === undefined) throw new TypeError(`target ${target.name} (${target.address}) has no port`)
  return new Promise((resolve) => {
    const sockets: Socket[] = []
    const timers: NodeJS.Timeout[] = []
    let suspicion: Pick<DnsResult, 'state' | 'detail'> = { state: 'no-answer', detail: null }
    const settle = (rest: Partial<DnsResult> & { readonly state: DnsState }) => {
      for (const timer of timers) clearTimeout(timer)
      cancel()
      for (const socket of sockets) {
        socket.removeAllListeners().on('error', ignore)
        socket.close()
      }
      resolve({ ...NOTHING, target, question, transport: 'udp', tries, detail: null, ...rest })
    }
    let again: (() => void) | undefined
    let tries = 0
    const ask = (connected: boolean) => {
      tries++
      if (again) return again()
      const id = randomInt(0x10000)
      const query = encodeQuery(id, question)
      const started = performance.now()
      const socket = createSocket(target.family === 6 ? 'udp6' : 'udp4')
      sockets.push(socket)
      const failed = (error: NodeJS.ErrnoException, local: boolean) =>
        settle({ state: FROM_UDP[udpStateOf(error.code ?? '', local)], detail: error.code ?? null })
      socket.on('error', (error: NodeJS.ErrnoException) => failed(error, !connected))
      socket.on('message', (message, from) => {
        const parsed = parseAnswer(message, id, question)
        if (isFrom(target, from)) {
          if (parsed.kind === 'answer') settle(readReply(parsed, started))
          else suspicion = { state: 'malformed', detail: parsed.why }
        } else if (parsed.kind === 'answer') {
          suspicion = { state: 'wrong-source', detail: `the answer came from ${from.address} port ${from.port}` }
        }
      })
      if (!connected) return socket.send(query, port, target.address)
      socket.connect(port, target.address, (error?: NodeJS.ErrnoException) => {
        if (error) return failed(error, true)
        socket.send(query)
        if (oneBackend) again = () => socket.send(query)
      })
    }
    SEND_AT_MS.forEach((at, index) => {
      if (at < budgetMs) timers.push(setTimeout(ask, at, index % 2 === 0))
    })
    const cancel = deadline(budgetMs, () => settle(suspicion))
  })
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
