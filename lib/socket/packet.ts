/** One frame out of an AF_PACKET socket (packet(7)). Needs CAP_NET_RAW. Sends only: answers are the kernel's to read. */
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
  close(fd: number): number
  errno(): number
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
    return {
      socket: c.func('int socket(int domain, int type, int protocol)'),
      sendto: c.func(
        'int64 sendto(int fd, const uint8_t *data, uint64 length, int flags, const uint8_t *to, uint32 n)',
      ),
      close: c.func('int close(int fd)'),
      errno: () => koffi.errno(),
    }
  } catch (cause) {
    return `koffi cannot be loaded with this Node (${process.version}): ${String((cause as Error).message).split('\n')[0]}`
  }
}
