/**
 * A wire whose delay and loss are known: two TUN devices in two namespaces, and this code as the cable between them. The
 * kernel's own delay (netem) is a module that not every machine has. Needs root and /dev/net/tun.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { enterNamespace } from '../../lib/netns/index.ts'
import { netnsPath } from './namespace.ts'

/** One end of a wire: a device that is made in a namespace. */
export interface WireEnd {
  readonly namespace: string
  readonly device: string
}

/** What becomes of one packet that enters the wire at end 0 or 1. */
export type Hop = (packet: Buffer, enteredAt: 0 | 1) => readonly Delivery[]

export interface Delivery {
  readonly packet: Buffer
  readonly leavesAt: 0 | 1
  readonly afterMs: number
}

/** linux/if_tun.h: _IOW('T', 202, int), and the device types: IP packets, or Ethernet frames, without a header of its own. */
const TUNSETIFF = 0x400454ca
const IFF_TUN_NO_PI = 0x1001
const IFF_TAP_NO_PI = 0x1002
const IFREQ_BYTES = 40
const IFREQ_FLAGS_AT = 16
const LARGEST_PACKET = 65_536
const PROCESS = fileURLToPath(new URL('delay-process.ts', import.meta.url))

/**
 * Makes both devices and carries packets between them for as long as this process lives and `close` is not called.
 * Leaves the process in the namespace of the second end.
 */
export async function layWire(ends: readonly [WireEnd, WireEnd], hop: Hop, frames = false): Promise<{ close(): void }> {
  const fds = [await openTun(ends[0], frames), await openTun(ends[1], frames)] as const
  const buffer = Buffer.allocUnsafe(LARGEST_PACKET)
  let queue: { readonly packet: Buffer; readonly fd: number; readonly dueAt: number }[] = []
  const timer = setInterval(() => {
    for (const end of [0, 1] as const) {
      for (let bytes = read(fds[end], buffer); bytes > 0; bytes = read(fds[end], buffer)) {
        const now = performance.now()
        for (const { packet, leavesAt, afterMs } of hop(Buffer.from(buffer.subarray(0, bytes)), end)) {
          queue.push({ packet, fd: fds[leavesAt], dueAt: now + afterMs })
        }
      }
    }
    const now = performance.now()
    for (const { packet, fd } of queue.filter(({ dueAt }) => dueAt <= now)) write(fd, packet)
    queue = queue.filter(({ dueAt }) => dueAt > now)
  }, 1)
  const close = () => {
    clearInterval(timer)
    for (const fd of fds) closeSync(fd)
  }
  return { close }
}

/** Delays every packet, and loses some of them; the same numbers from `chance` (0 to 1) lose the same packets. */
export function slowHop(options: { oneWayMs: number; loss: number; chance: () => number }): Hop {
  const { oneWayMs, loss, chance } = options
  return (packet, end) => (chance() < loss ? [] : [{ packet, leavesAt: end === 0 ? 1 : 0, afterMs: oneWayMs }])
}

/** Lays a slow wire in a process of its own; `stop` takes it away, devices and all. */
export async function startSlowWire(
  ends: readonly [WireEnd, WireEnd],
  options: {
    readonly oneWayMs: number
    readonly lossPercent: number
    readonly seed: number
    /** The devices are Ethernet's, which can be ports of a bridge. */
    readonly frames?: boolean
  },
): Promise<{ stop(): void }> {
  const words = ends.flatMap(({ namespace, device }) => [namespace, device])
  const numbers = [options.oneWayMs, options.lossPercent, options.seed, options.frames ? 1 : 0].map(String)
  const child = spawn(process.execPath, ['--import', 'tsx', PROCESS, ...words, ...numbers], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await untilReady(child)
  return { stop: () => child.kill('SIGKILL') }
}

async function untilReady(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the wire's process ended with ${code}`)
  })
  await Promise.race([once(child.stdout ?? child, 'data'), ended])
  ended.catch(() => {})
}

async function openTun({ namespace, device }: WireEnd, frames: boolean): Promise<number> {
  await enterNamespace(netnsPath(namespace))
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const ioctl = koffi.load(null).func('int ioctl(int fd, unsigned long request, uint8_t *argument)')
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK)
  const request = Buffer.alloc(IFREQ_BYTES)
  request.write(device, 'latin1')
  request.writeUInt16LE(frames ? IFF_TAP_NO_PI : IFF_TUN_NO_PI, IFREQ_FLAGS_AT)
  if (ioctl(fd, TUNSETIFF, request) !== 0) throw new Error(`no TUN device ${device}: errno ${koffi.errno()}`)
  return fd
}

/** Bytes read; 0 when there is nothing. */
function read(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer)
  } catch {
    return 0
  }
}

function write(fd: number, packet: Buffer): void {
  try {
    writeSync(fd, packet)
  } catch {
    // the device is down: nobody hears it, as with a cable that is out
  }
}
