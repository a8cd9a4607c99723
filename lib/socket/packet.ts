/**
 * Frames out of and into an AF_PACKET socket (packet(7)). Needs CAP_NET_RAW. Most answers are the kernel's to read; what concerns
 * an address of our own it keeps to itself.
 */
import { createRequire } from 'node:module'

const AF_PACKET = 17
/** The kernel writes the Ethernet header. */
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const SOCKADDR_LL_BYTES = 20

export interface Frame {
  readonly interfaceIndex: number
  readonly etherType: number
  readonly destination: Uint8Array
  readonly payload: Uint8Array
}

/** Sends one frame; null when it left, else why not (a short phrase). Never throws. */
export function sendFrame(frame: Frame): string | null {
  const libc = loadLibc()
  if (typeof libc === 'string') return libc
  // Protocol 0: such a socket receives nothing, so no buffer fills up and no filter is needed.
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) return `a packet socket was refused (errno ${libc.errno()}): CAP_NET_RAW is missing`
  try {
    const sent = libc.sendto(fd, frame.payload, frame.payload.length, 0, linkAddress(frame), SOCKADDR_LL_BYTES)
    return sent < 0 ? `the frame could not be sent (errno ${libc.errno()})` : null
  } finally {
    libc.close(fd)
  }
}

/** One received packet: what is behind the Ethernet header, and who sent the frame. */
export interface ReceivedFrame {
  readonly sourceMac: string
  readonly payload: Buffer
}

export interface FrameListener {
  /** All that came since the last call. */
  read(): readonly ReceivedFrame[]
  close(): void
}

/** An instruction of a classic BPF program (linux/filter.h), over what is behind the Ethernet header. */
export type FilterStep = readonly [code: number, jumpIfTrue: number, jumpIfFalse: number, value: number]

const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26
const MSG_DONTWAIT = 0x40
const FRAME_BYTES = 2048
/** A listener is open for a fraction of a second: more than this is a flood, and the rest of it says nothing new. */
const MOST_FRAMES = 256

/** Listens on one interface to what passes the filter; a short phrase where that cannot be. It must be closed. */
export function listenFrames(
  interfaceIndex: number,
  etherType: number,
  filter: readonly FilterStep[],
): FrameListener | string {
  const libc = loadLibc()
  if (typeof libc === 'string') return libc
  // it hears nothing before it is bound, so nothing gets past the filter
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) return `a packet socket was refused (errno ${libc.errno()}): CAP_NET_RAW is missing`
  const program = { len: filter.length, filter: filterBytes(filter) }
  const nobody = linkAddress({ interfaceIndex, etherType, destination: new Uint8Array(0), payload: new Uint8Array(0) })
  const failed =
    libc.attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, FILTER_PROGRAM_BYTES) < 0 ||
    libc.bind(fd, nobody, SOCKADDR_LL_BYTES) < 0
  if (failed) {
    const errno = libc.errno()
    libc.close(fd)
    return `a packet socket could not listen (errno ${errno})`
  }
  return { read: () => readFrames(libc, fd), close: () => void libc.close(fd) }
}

function readFrames(libc: Libc, fd: number): ReceivedFrame[] {
  const frames: ReceivedFrame[] = []
  const buffer = Buffer.alloc(FRAME_BYTES)
  const from = Buffer.alloc(SOCKADDR_LL_BYTES)
  while (frames.length < MOST_FRAMES) {
    const length = libc.recvfrom(fd, buffer, buffer.length, MSG_DONTWAIT, from, [from.length])
    if (length < 0) break
    const sourceMac = [...from.subarray(12, 18)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
    frames.push({ sourceMac, payload: Buffer.from(buffer.subarray(0, length)) })
  }
  return frames
}

/** struct sock_filter: 16 bits, two bytes, 32 bits, in host order. */
function filterBytes(filter: readonly FilterStep[]): Uint8Array {
  const bytes = new Uint8Array(filter.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [at, [code, yes, no, value]] of filter.entries()) {
    view.setUint16(at * 8, code, LITTLE_ENDIAN)
    view.setUint8(at * 8 + 2, yes)
    view.setUint8(at * 8 + 3, no)
    view.setUint32(at * 8 + 4, value, LITTLE_ENDIAN)
  }
  return bytes
}

/** struct sock_fprog on a 64-bit machine. */
const FILTER_PROGRAM_BYTES = 16

/** struct sockaddr_ll of linux/if_packet.h. */
function linkAddress(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_LL_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_PACKET, LITTLE_ENDIAN)
  view.setUint16(2, frame.etherType)
  view.setInt32(4, frame.interfaceIndex, LITTLE_ENDIAN)
  view.setUint8(11, frame.destination.length)
  bytes.set(frame.destination, 12)
  return bytes
}

/** sa_family and the interface index are in host order. */
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

interface Libc {
  socket(domain: number, type: number, protocol: number): number
  sendto(fd: number, data: Uint8Array, length: number, flags: number, to: Uint8Array, toLength: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  recvfrom(fd: number, data: Uint8Array, length: number, flags: number, from: Uint8Array, fromLength: number[]): number
  attachFilter(fd: number, level: number, name: number, program: FilterProgram, length: number): number
  close(fd: number): number
  errno(): number
}

interface FilterProgram {
  readonly len: number
  readonly filter: Uint8Array
}

let loaded: Libc | string | undefined

/** koffi costs some milliseconds: it is loaded when the first frame is sent. */
function loadLibc(): Libc | string {
  loaded ??= openLibc()
  return loaded
}

function openLibc(): Libc | string {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const c = koffi.load(null)
    const program = koffi.struct({ len: 'uint16', filter: 'const uint8_t *' })
    return {
      socket: c.func('int socket(int domain, int type, int protocol)'),
      sendto: c.func(
        'int64 sendto(int fd, const uint8_t *data, uint64 length, int flags, const uint8_t *to, uint32 n)',
      ),
      bind: c.func('int bind(int fd, const uint8_t *address, uint32 length)'),
      recvfrom: c.func(
        'int64 recvfrom(int fd, _Out_ uint8_t *data, uint64 n, int flags, _Out_ uint8_t *from, _Inout_ uint32 *length)',
      ),
      attachFilter: c.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(program), 'uint32']),
      close: c.func('int close(int fd)'),
      errno: () => koffi.errno(),
    }
  } catch (cause) {
    return `koffi cannot be loaded with this Node (${process.version}): ${String((cause as Error).message).split('\n')[0]}`
  }
}
