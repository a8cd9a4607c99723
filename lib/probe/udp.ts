/** UDP: does an endpoint answer, or does something say that nobody listens? */
import { createSocket } from 'node:dgram'
import type { Target } from '../types.ts'
import { deadline } from './deadline.ts'
import { eachWithin } from './pool.ts'

/**
 * answered    a datagram came back
 * refused     ICMP port unreachable: nothing listens there, or a service without endpoints
 * rejected    an ICMP error said so, or a local filter did (EPERM)
 * silent      nothing came back. No proof of anything: most services ignore what they do not understand, and Linux hands
 *             ICMP host and net unreachable to a UDP socket only with IP_RECVERR (net/ipv4/udp.c, __udp4_lib_err)
 * no-route    this namespace's own routing refused: no packet was sent
 * local-error the socket could not be used at all: we could not look
 */
export type UdpState = 'answered' | 'refused' | 'rejected' | 'silent' | 'no-route' | 'local-error'

export interface UdpResult {
  readonly target: Target
  readonly state: UdpState
  /** From the first datagram to the answer or ICMP error, milliseconds; null when nothing came back. */
  readonly ms: number | null
  readonly errno: string | null
  readonly sent: number
  readonly answerBytes: number | null
}

export interface UdpOptions {
  /** What to send; default: an empty datagram. */
  readonly payload?: Uint8Array
  /** Milliseconds to wait for an answer; default 3000, with a datagram at 0, 300, 1000 and 2000. */
  readonly budgetMs?: number
}

const BUDGET_MS = 3000
const SEND_AT_MS = [0, 300, 1000, 2000] as const

/** Asks every target, at most 256 at once, each from a connected socket of its own. Targets need a port. */
export async function askUdp(targets: readonly Target[], options: UdpOptions = {}): Promise<readonly UdpResult[]> {
  return eachWithin(targets, (target) => askOne(target, options))
}

/** The same question `times` times in parallel, each from a source port of its own (attemptsFor, connectRepeatedly). */
export async function askUdpRepeatedly(
  target: Target,
  times: number,
  options: UdpOptions = {},
): Promise<readonly UdpResult[]> {
  return askUdp(
    Array.from({ length: times }, () => target),
    options,
  )
}

function askOne(target: Target, options: UdpOptions): Promise<UdpResult> {
  const { port } = target
  if (port === undefined) throw new TypeError(`target ${target.name} (${target.address}) has no port`)
  const budgetMs = options.budgetMs ?? BUDGET_MS
  const payload = options.payload ?? new Uint8Array()
  return new Promise((resolve) => {
    const socket = createSocket(target.family === 6 ? 'udp6' : 'udp4')
    const started = performance.now()
    const timers: NodeJS.Timeout[] = []
    let sent = 0
    let settled = false
    const settle = (state: UdpState, errno: string | null = null, answerBytes: number | null = null) => {
      if (settled) return
      settled = true
      for (const timer of timers) clearTimeout(timer)
      cancel()
      socket.removeAllListeners().on('error', ignore)
      socket.close()
      const heard = state === 'answered' || state === 'refused' || state === 'rejected'
      const ms = heard ? Math.round((performance.now() - started) * 100) / 100 : null
      resolve({ target, state, ms, errno, sent, answerBytes })
    }
    const failed = (error: NodeJS.ErrnoException, local = false) =>
      settle(udpStateOf(error.code ?? '', local), error.code ?? null)
    const send = () => {
      sent++
      // Without a callback Node drops the errors of send(2).
      socket.send(payload, (error) => error && failed(error))
    }
    socket.once('error', (error) => failed(error))
    socket.once('message', (message) => settle('answered', null, message.length))
    // Node hands a failed connect(2) to this callback, and everything later to 'error'.
    socket.connect(port, target.address, (error?: NodeJS.ErrnoException) => {
      if (error) return failed(error, true)
      timers.push(...SEND_AT_MS.filter((at) => at > 0 && at < budgetMs).map((at) => setTimeout(send, at)))
      send()
    })
    const cancel = deadline(budgetMs, () => settle('silent'))
  })
}

/**
 * What an errno of a connected UDP socket means. `local`: connect(2) itself failed, so the host's own routing or its
 * limits refused. Without IP_RECVERR Linux passes on only what net/ipv4/icmp.c and net/ipv6/icmp.c call fatal: port or
 * protocol unreachable, and administratively prohibited.
 */
export function udpStateOf(errno: string, local: boolean): UdpState {
  if (errno === 'ECONNREFUSED') return 'refused'
  if (errno === 'EPERM') return 'rejected'
  if (local) return NO_ROUTE.has(errno) ? 'no-route' : 'local-error'
  return ICMP.has(errno) ? 'rejected' : 'local-error'
}

const NO_ROUTE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL'])
const ICMP = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'ENOPROTOOPT', 'ENONET', 'EPROTO'])

function ignore(): void {}
