/**
 * TCP: does a port answer? Sockets are made by node:net on the main thread, by IP literal only, so they belong to the
 * network namespace this process lives in.
 */
import { connect as openSocket, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { retransmissions } from '../socket/tcp-info.ts'
import { type SocketOwner, tcpSocketOf } from '../socket/tcp-socket.ts'
import type { Target } from '../types.ts'
import { deadline } from './deadline.ts'
import { isNextHopSilent } from './next-hop.ts'
import { eachWithin } from './pool.ts'

export type { SocketOwner } from '../socket/tcp-socket.ts'

/**
 * connected   the handshake ended; with errno ECONNRESET the peer took it back at once (net/ipv4/tcp_input.c, tcp_reset:
 *             a reset of a SYN is ECONNREFUSED, ECONNRESET needs an established connection)
 * refused     ECONNREFUSED: a reset, or ICMP port unreachable; the two cannot be told apart without counters
 * rejected    an ICMP error came back (administratively prohibited, host or net unreachable)
 *             (EPERM: a local filter, such as a cgroup eBPF program, refused the system call)
 * unresolved  the kernel gave up on the next hop, which answers no ARP or NDP request
 * silent      nothing came back within the budget
 * no-route    this namespace's own routing refused: no packet was sent. Cilium's socket load balancer says the same
 *             (EHOSTUNREACH) for a service without backends
 * local-error the socket could not be used at all (address family off, no free port, too many files): we could not look
 * not-asked   left out, because hundreds before it were silent
 * intercepted a proxy in this namespace took the connection, as it takes every one: nothing is known of the way beyond
 */
export type TcpState =
  | 'connected'
  | 'refused'
  | 'rejected'
  | 'unresolved'
  | 'silent'
  | 'no-route'
  | 'local-error'
  | 'not-asked'
  | 'intercepted'

export interface TcpResult {
  readonly target: Target
  readonly state: TcpState
  /** From the SYN of the socket that decided to its answer, milliseconds; null when nothing answered. */
  readonly ms: number | null
  readonly errno: string | null
  /** Sockets opened; more than 1 means that the first SYN had no answer within 300 ms. */
  readonly syns: number
  /** Connected, but the kernel had to send a SYN again. A virtual address may have sent it to another backend then. */
  readonly resent?: boolean
}

export interface TcpOptions {
  /** Milliseconds a target has to answer; default 3000, below which one lost SYN would decide. */
  readonly budgetMs?: number
  /** Whose the sockets are; default: this process', or the one that `goAround` named. */
  readonly owner?: SocketOwner
}

/** Whose sockets a proxy in this namespace lets pass. Of the process, as its namespace is. */
let passing: SocketOwner | null = null

/** From now on every connection of this process is made by sockets of that owner; null: by its own. */
export function goAround(owner: SocketOwner | null): void {
  passing = owner
}

const BUDGET_MS = 3000
/** New sockets are opened at these times: another source port takes another ECMP path and another backend. */
const STAGGER_MS = [0, 300, 1000, 2000] as const
/** So many asked, the first of them out of time and not one answer: the rest would only repeat it. */
const ASKED_WITHOUT_ANSWER = 256
/** So many silent ones are a fault whatever the rest say. */
const SILENT_AT_ALL = 512

/**
 * Asks every target for a TCP connection, at most 256 at once, and closes it again without sending anything.
 * Targets need a port. Never throws for what the network does; results are in the order of the targets.
 */
export async function connect(targets: readonly Target[], options: TcpOptions = {}): Promise<readonly TcpResult[]> {
  let asked = 0
  let answered = 0
  let silent = 0
  const hopeless = () => (answered === 0 ? asked >= ASKED_WITHOUT_ANSWER && silent > 0 : silent >= SILENT_AT_ALL)
  return eachWithin(targets, async (target) => {
    if (hopeless()) return notAsked(target)
    asked++
    const { socket, result } = await dial(target, options)
    socket?.destroySoon()
    if (result.state === 'silent' || result.state === 'unresolved') silent++
    else answered++
    return result
  })
}

export interface TcpTally {
  readonly target: Target
  readonly asked: number
  readonly connected: number
  readonly refused: number
  readonly rejected: number
  readonly silent: number
  /** no-route, local-error, intercepted: nothing of it is known to have left */
  readonly unsent: number
  readonly results: readonly TcpResult[]
}

/** All repeats of one address start within this time: a burst would overflow the accept queue of a small server. */
const BRISK = { spreadMs: 100, mostApartMs: 2 }
/** One that shares a busy machine has time to accept each of them before the next one comes. */
const SLOW = { spreadMs: 2000, mostApartMs: 20 }

/**
 * Opens `times` connections to one virtual address, in parallel, so that every backend behind it is met. Of many ICMP
 * errors from one host only a few arrive (net.ipv4.icmp_ratelimit: a burst of 6, then one a second), so a backend that
 * rejects can show up as some rejected and some silent.
 */
export async function connectRepeatedly(
  target: Target,
  times: number,
  { slowly = false, ...options }: TcpOptions & { readonly slowly?: boolean } = {},
): Promise<TcpTally> {
  const { spreadMs, mostApartMs } = slowly ? SLOW : BRISK
  const apartMs = Math.min(mostApartMs, spreadMs / times)
  const turns = Array.from({ length: times }, (_, turn) => turn)
  return tally(
    target,
    await eachWithin(turns, async (turn) => {
      await sleep(turn * apartMs)
      // No staggering: another socket would meet another, healthy backend and hide the dead one.
      const { socket, result } = await dial(target, options, [0])
      socket?.destroySoon()
      return result
    }),
  )
}

/** Counts the states of one target's results. */
export function tally(target: Target, results: readonly TcpResult[]): TcpTally {
  const count = (...states: readonly TcpState[]) => results.filter((result) => states.includes(result.state)).length
  return {
    target,
    asked: results.length,
    connected: count('connected'),
    refused: count('refused'),
    rejected: count('rejected'),
    silent: count('silent', 'unresolved'),
    unsent: count('no-route', 'local-error', 'intercepted'),
    results,
  }
}

const MISS_PROBABILITY = 1e-6
const MOST_ATTEMPTS = 200

/**
 * Connections after which one dead backend of `backends` is missed with a probability of at most one in a million:
 * ln 1e-6 / ln(1 - 1/N), capped at 200 (exact up to 15 backends; with N = 50 it is missed with 2 %).
 */
export function attemptsFor(backends: number): number {
  if (backends <= 1) return 1
  return Math.min(MOST_ATTEMPTS, Math.ceil(Math.log(MISS_PROBABILITY) / Math.log(1 - 1 / backends)))
}

/**
 * Opens one connection with staggered sockets; the first that ends decides, the others are dropped. A socket is the
 * caller's to use and to close; 'connected' without one was reset at once.
 */
export async function dial(
  target: Target,
  options: TcpOptions = {},
  staggerMs: readonly number[] = STAGGER_MS,
): Promise<Dialled> {
  const { socket, result } = await firstToEnd(target, options, staggerMs)
  const unreachable = result.state === 'rejected' && result.errno === 'EHOSTUNREACH'
  if (!unreachable || !(await isNextHopSilent(target.address))) return { socket, result }
  return { socket, result: { ...result, state: 'unresolved', ms: null } }
}

interface Dialled {
  readonly socket: Socket | null
  readonly result: TcpResult
}

function firstToEnd(target: Target, options: TcpOptions, staggerMs: readonly number[]): Promise<Dialled> {
  const port = requirePort(target)
  const budgetMs = options.budgetMs ?? BUDGET_MS
  return new Promise((resolve) => {
    const pending = new Set<Socket>()
    let syns = 0
    const settle = (state: TcpState, ms: number | null, errno: string | null, winner: Socket | null) => {
      for (const timer of timers) clearTimeout(timer)
      cancel()
      if (winner) pending.delete(winner)
      for (const socket of pending) socket.destroy()
      const resent = winner !== null && retransmissions(winner) > 0
      resolve({ socket: winner, result: { target, state, ms, errno, syns, ...(resent ? { resent } : {}) } })
    }
    const open = () => {
      const started = performance.now()
      const elapsed = () => Math.round((performance.now() - started) * 100) / 100
      const socket = socketTo(target, port, options.owner ?? passing)
      let local = false
      // connect(2) runs in the tick queued by openSocket; what fails in it never left this host.
      process.nextTick(() => {
        local = socket.errored !== null
      })
      syns++
      pending.add(socket)
      socket.once('connect', () => {
        socket.removeAllListeners('error').on('error', ignore)
        settle('connected', elapsed(), null, socket)
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (!pending.delete(socket)) return
        const state = stateOf(error.code ?? '', local)
        // A later socket that cannot be opened says nothing about the ones on their way.
        if (state === 'local-error' && pending.size > 0) return
        settle(state, local ? null : elapsed(), error.code ?? null, null)
      })
    }
    const timers = staggerMs.filter((delay) => delay > 0 && delay < budgetMs).map((delay) => setTimeout(open, delay))
    const cancel = deadline(budgetMs, () => settle('silent', null, null, null))
    open()
  })
}

function socketTo({ address, family }: Target, port: number, owner: SocketOwner | null): Socket {
  const fd = owner && tcpSocketOf(owner, family)
  return fd === null ? openSocket({ host: address, port }) : new Socket({ fd }).connect({ host: address, port })
}

/**
 * What an errno of connect(2) means. `local`: the system call itself failed, so the host's own routing or its limits
 * refused; the same number later came with an ICMP error (net/ipv4/icmp.c icmp_err_convert, net/ipv6/icmp.c).
 */
export function stateOf(errno: string, local: boolean): TcpState {
  if (errno === 'ECONNRESET') return 'connected'
  if (errno === 'ECONNREFUSED') return 'refused'
  if (errno === 'EPERM') return 'rejected'
  if (local) return NO_ROUTE.has(errno) ? 'no-route' : 'local-error'
  return ICMP.has(errno) ? 'rejected' : errno === 'ETIMEDOUT' ? 'silent' : 'local-error'
}

/** No route or `unreachable`, `prohibit`. A `blackhole` route gives EINVAL, as does a link-local address without zone. */
const NO_ROUTE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL'])
const ICMP = new Set([
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'ENOPROTOOPT', 'EHOSTDOWN', 'ENONET', 'EOPNOTSUPP', 'EPROTO'],
  'EMSGSIZE',
])

function requirePort(target: Target): number {
  if (target.port === undefined) throw new TypeError(`target ${target.name} (${target.address}) has no port`)
  return target.port
}

function notAsked(target: Target): TcpResult {
  return { target, state: 'not-asked', ms: null, errno: null, syns: 0 }
}

function ignore(): void {}
