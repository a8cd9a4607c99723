/**
 * Raw ICMP sockets: the only place that opens one. One socket a family is shared by everything in this process that
 * pings at the time, and closed with its last user.
 *
 * raw-socket's own queues handle one packet a turn of the event loop. Here its native half is used directly: a send is
 * one sendto(2) whose error is known at once, and every wake-up reads until the socket is empty. Both keep bursts
 * from overflowing the receive buffer, which would look like loss or like a low path MTU.
 */
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { currentNamespace } from '../netns/index.ts'
import { decodeIcmpv4, decodeIcmpv6, type IcmpMessage } from '../packet/icmp.ts'
import type { Family } from '../types.ts'
import { errnoName } from './icmp-errno.ts'

/** Called for each ICMP message of interest; payloads are only valid during the call. `atMs`: performance.now(). */
export type IcmpListener = (message: IcmpMessage, source: string, atMs: number) => void

export interface IcmpChannel {
  /** Sends an ICMP message (no IP header) at once. Returns null, or the errno's name when the kernel refused it. */
  send(message: Buffer, address: string): string | null
  /** Reads what has arrived, without waiting for the event loop's next turn. */
  drain(): void
  close(): void
}

export type IcmpOpening =
  | { readonly ok: true; readonly channel: IcmpChannel }
  | { readonly ok: false; readonly code: IcmpOpenCode; readonly detail: string; readonly hint: string }

export type IcmpOpenCode = 'PERMISSION_MISSING' | 'NATIVE_MODULE_MISSING' | 'FAMILY_UNSUPPORTED' | 'SOCKET_FAILED'

/** The native half of raw-socket (src/raw.cc): synchronous, throws strerror(3) texts. */
interface RawWrap {
  send(buffer: Buffer, offset: number, length: number, address: string, sent: () => void): void
  recv(buffer: Buffer, received: (buffer: Buffer, bytes: number, source: string) => void): void
  setOption(level: number, option: number, value: number | Buffer, length?: number): void
}

interface RawSocket {
  readonly wrap: RawWrap
  close(): void
  onRecvReady(): void
  on(event: 'error', listener: () => void): void
}

interface RawModule {
  readonly Socket: new (options: { protocol: number; addressFamily: number; bufferSize: number }) => RawSocket
}

interface Shared {
  readonly channel: IcmpChannel
  readonly namespace: string
  readonly listeners: Set<IcmpListener>
}

const BUFFER_BYTES = 8 << 20
const LARGEST_PACKET = 65_536
/** Messages read in one go before timers get their turn. */
const DRAIN_LIMIT = 1024

const open = new Map<Family, Shared>()

/**
 * Opens (or joins) the process's ICMP socket of a family in the present network namespace.
 * Fails with PERMISSION_MISSING without CAP_NET_RAW, NATIVE_MODULE_MISSING when raw-socket is not built for this Node,
 * FAMILY_UNSUPPORTED when the kernel has no IPv6.
 */
export function openIcmp(family: Family, listener: IcmpListener): IcmpOpening {
  if (!isMainThread) throw new Error('raw-socket polls on the main thread: ICMP probes need pool "forks"')
  const namespace = currentNamespace()
  let shared = open.get(family)
  // A socket belongs to the namespace that it was made in: after a move it would measure from the wrong place.
  if (shared === undefined || shared.namespace !== namespace) {
    try {
      shared = openShared(family, namespace)
    } catch (cause) {
      return openFailure(family, cause)
    }
    open.set(family, shared)
  }
  return { ok: true, channel: join(family, shared, listener) }
}

function join(family: Family, shared: Shared, listener: IcmpListener): IcmpChannel {
  shared.listeners.add(listener)
  return {
    ...shared.channel,
    close() {
      if (!shared.listeners.delete(listener) || shared.listeners.size > 0) return
      if (open.get(family) === shared) open.delete(family)
      shared.channel.close()
    },
  }
}

function openShared(family: Family, namespace: string): Shared {
  const raw = createRequire(import.meta.url)('raw-socket') as RawModule
  const decode = family === 4 ? decodeIcmpv4 : decodeIcmpv6
  const listeners = new Set<IcmpListener>()
  const buffer = Buffer.allocUnsafe(LARGEST_PACKET)
  let alive = true
  const received = (_: Buffer, bytes: number, source: string) => {
    const message = decode(buffer.subarray(0, bytes))
    if (message === null) return
    const atMs = performance.now()
    for (const listener of listeners) listener(message, source, atMs)
  }
  class IcmpSocket extends raw.Socket {
    override onRecvReady(): void {
      for (let read = 0; alive && read < DRAIN_LIMIT; read++) {
        try {
          this.wrap.recv(buffer, received)
        } catch {
          return // EAGAIN: the socket is empty
        }
      }
    }
  }
  const socket = new IcmpSocket({ protocol: family === 4 ? 1 : 58, addressFamily: family === 4 ? 1 : 2, bufferSize: 1 })
  socket.on('error', () => {
    alive = false // raw-socket closes itself after an error of the poll handle
  })
  configure(socket.wrap, family)
  return {
    channel: channelOf(
      family,
      socket,
      () => alive,
      () => {
        alive = false
      },
    ),
    namespace,
    listeners,
  }
}

function channelOf(family: Family, socket: RawSocket, alive: () => boolean, end: () => void): IcmpChannel {
  return {
    send(message, address) {
      // libuv makes "::" or "0.0.0.0", the loopback, of what it cannot parse: that would measure this machine.
      if (isIP(address) !== family) throw new Error(`"${address}" is not an IPv${family} address`)
      if (!alive()) return 'EBADF'
      try {
        socket.wrap.send(message, 0, message.length, address, () => {})
        return null
      } catch (cause) {
        return errnoName(cause)
      }
    },
    drain: () => socket.onRecvReady(),
    close() {
      if (!alive()) return
      end()
      socket.close()
    },
  }
}

/** Option numbers: include/uapi/linux/{in,in6,icmp,icmpv6}.h and asm-generic/socket.h. */
function configure(wrap: RawWrap, family: Family): void {
  // IP_PMTUDISC_PROBE: DF on every packet, and no look at the cached path MTU: the only mode that measures.
  wrap.setOption(family === 4 ? 0 : 41, family === 4 ? 10 : 23, 3)
  if (family === 4) {
    const wanted = [0, 3, 11, 12].reduce((mask, type) => mask | (1 << type), 0)
    wrap.setOption(255, 1, ~wanted >>> 0)
  } else {
    const blocked = new Uint32Array(8).fill(0xffff_ffff)
    for (const type of [1, 2, 3, 4, 129]) blocked[type >> 5] = (blocked[type >> 5] ?? 0) & ~(1 << (type & 31))
    wrap.setOption(58, 1, Buffer.from(blocked.buffer), 32)
  }
  // Packets that wait for a neighbour are charged to the send buffer: a small one stalls on silent neighbours.
  growBuffer(wrap, 33, 8)
  growBuffer(wrap, 32, 7)
}

/** The *FORCE options need CAP_NET_ADMIN; without it the size is capped by net.core.[rw]mem_max. */
function growBuffer(wrap: RawWrap, force: number, plain: number): void {
  try {
    wrap.setOption(1, force, BUFFER_BYTES)
  } catch {
    wrap.setOption(1, plain, BUFFER_BYTES)
  }
}

function openFailure(family: Family, cause: unknown): IcmpOpening {
  const text = String((cause as Error)?.message ?? cause).split('\n')[0] ?? ''
  const moduleCode = (cause as NodeJS.ErrnoException).code
  if (moduleCode === 'MODULE_NOT_FOUND' || moduleCode === 'ERR_DLOPEN_FAILED') {
    return {
      ok: false,
      code: 'NATIVE_MODULE_MISSING',
      detail: `raw-socket cannot be loaded: ${text}`,
      hint: `Run "npm ci" with this Node (${process.version}, ${process.platform}-${process.arch}).`,
    }
  }
  const errno = errnoName(cause)
  if (errno === 'EPERM' || errno === 'EACCES') {
    return {
      ok: false,
      code: 'PERMISSION_MISSING',
      detail: `may not open a raw ICMP socket for IPv${family} (${errno})`,
      hint: 'Run as root, or with CAP_NET_RAW.',
    }
  }
  if (errno === 'EAFNOSUPPORT') {
    return {
      ok: false,
      code: 'FAMILY_UNSUPPORTED',
      detail: `this kernel has no IPv${family}`,
      hint: `Nothing can be asked over IPv${family} from this machine.`,
    }
  }
  return {
    ok: false,
    code: 'SOCKET_FAILED',
    detail: `no raw ICMP socket for IPv${family}: ${text}`,
    hint: 'Run again; if it persists, look for limits on open files and memory of this process.',
  }
}
