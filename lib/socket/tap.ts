/**
 * A packet tap: what passes any interface of this network namespace, read only (AF_PACKET, packet(7)). A filter in the kernel lets
 * only packets through that hold one of the wanted addresses, also inside a tunnel's packet. Needs CAP_NET_RAW.
 */
import { createRequire } from 'node:module'
import ipaddr from 'ipaddr.js'

const AF_PACKET = 17
/** The kernel strips the link header: what is read begins with the IP header. */
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const ETH_P_ALL = 3
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ATTACH_FILTER = 26
const SOCKADDR_LL_BYTES = 20
const PACKET_OTHERHOST = 3
const PACKET_OUTGOING = 4
/** Some thousand small packets between two readings. */
const BUFFER_BYTES = 4 * 1024 * 1024
/** Enough for the headers of a tunnel, of IPv6, of TCP, and for what an ICMP error quotes. */
const SNAP_BYTES = 256

export interface TappedPacket {
  readonly interfaceIndex: number
  /** It leaves by the interface; else it has come in by it. */
  readonly outgoing: boolean
  /** Its link header names another hardware address than the interface's: a bridge flooded it, or it is on its way through one. */
  readonly forAnother: boolean
  /** From the IP header on, cut after 256 bytes. */
  readonly bytes: Buffer
}

export interface Tap {
  /** What has passed since the last reading. */
  read(): readonly TappedPacket[]
  close(): void
}

/** Opens a tap for packets from or to `addresses`; a text says why it cannot be had. */
export function openTap(addresses: readonly string[]): Tap | string {
  const libc = loadLibc()
  if (typeof libc === 'string') return libc
  // protocol 0 receives nothing: the filter is in place before the first packet
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) return `a packet socket was refused (errno ${libc.errno()}): CAP_NET_RAW is missing`
  const filter = filterFor(addresses)
  const size = Buffer.alloc(4)
  size.writeInt32LE(BUFFER_BYTES)
  const ready =
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, size.length) === 0 &&
    libc.attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, { len: filter.length / 8, filter }, 16) === 0 &&
    libc.bind(fd, anyInterface(), SOCKADDR_LL_BYTES) === 0
  if (!ready) {
    const why = `a packet tap could not be set up (errno ${libc.errno()})`
    libc.close(fd)
    return why
  }
  return { read: () => drain(libc, fd), close: () => libc.close(fd) }
}

/** struct sockaddr_ll of linux/if_packet.h: every protocol, interface 0 is all of them. */
function anyInterface(): Buffer {
  const address = Buffer.alloc(SOCKADDR_LL_BYTES)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(ETH_P_ALL, 2)
  return address
}

function drain(libc: Libc, fd: number): readonly TappedPacket[] {
  const found: TappedPacket[] = []
  const data = Buffer.alloc(SNAP_BYTES)
  const from = Buffer.alloc(SOCKADDR_LL_BYTES)
  for (;;) {
    const length = libc.recvfrom(fd, data, SNAP_BYTES, 0, from, [SOCKADDR_LL_BYTES])
    if (length < 0) return found
    found.push({
      interfaceIndex: from.readInt32LE(4),
      outgoing: from[10] === PACKET_OUTGOING,
      forAnother: from[10] === PACKET_OTHERHOST,
      bytes: Buffer.from(data.subarray(0, Math.min(length, SNAP_BYTES))),
    })
  }
}

const LOAD_WORD = 0x20
const LOAD_BYTE = 0x30
const AND = 0x54
const EQUALS = 0x15
const RETURN = 0x06

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number]

/** Where the two addresses may lie, in order of the packet's growing length: an IPv6 address is known by its last word. */
const SPOTS: Readonly<Record<4 | 6, readonly number[]>> = {
  // plain IPv4 · in IPIP · in VXLAN over IPv4 · in VXLAN over IPv6
  4: [12, 16, 32, 36, 62, 66, 82, 86],
  6: [20, 36, 40, 56, 70, 86, 90, 106],
}
/** Each address costs an instruction at each spot, for every packet of the namespace; jumps reach 255 instructions. */
const MOST_ADDRESSES = 32

/**
 * A classic BPF program (linux/filter.h) of 8-byte instructions: lets a packet through whose words at one of the spots are the
 * wanted ones. ICMP errors quote behind 8 bytes more and are let through whole. A load behind the packet's end ends it: no.
 */
export function filterFor(addresses: readonly string[]): Buffer {
  const words = [...new Set(addresses.map(lastWord))].slice(0, MOST_ADDRESSES)
  const accept: Instruction = [RETURN, 0, 0, 0xffff]
  const tests = (spot: number): Instruction[] => [
    [LOAD_WORD, 0, 0, spot],
    // each test jumps over the rest of its block to an accept of its own
    ...words.map((word, index): Instruction => [EQUALS, words.length - index, 0, word]),
    // nothing matched: over the accept
    [JUMP, 0, 0, 1],
    accept,
  ]
  const spots = [...new Set([...SPOTS[4], ...SPOTS[6]])].toSorted((a, b) => a - b)
  const errors: Instruction[] = [
    // ICMP over IPv4 without options: 3, 11, 12 are errors
    [LOAD_BYTE, 0, 0, 0],
    [AND, 0, 0, 0xf0],
    [EQUALS, 0, 3, 0x40],
    [LOAD_BYTE, 0, 0, 9],
    [EQUALS, 0, 4, 1],
    [RETURN, 0, 0, 0xffff],
    // ICMPv6 right behind the header
    [LOAD_BYTE, 0, 0, 6],
    [EQUALS, 0, 1, 58],
    [RETURN, 0, 0, 0xffff],
  ]
  const program = [...errors, ...spots.flatMap(tests), [RETURN, 0, 0, 0] as Instruction]
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, ifTrue, ifFalse, value], index) => {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(ifTrue, index * 8 + 2)
    bytes.writeUInt8(ifFalse, index * 8 + 3)
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4)
  })
  return bytes
}

const JUMP = 0x05

/** The last four bytes: all of an IPv4 address. */
function lastWord(address: string): number {
  const bytes = ipaddr.parse(address.split('%')[0] ?? '').toByteArray()
  return Buffer.from(bytes.slice(-4)).readUInt32BE(0)
}

interface Libc {
  socket(domain: number, type: number, protocol: number): number
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number
  attachFilter(
    fd: number,
    level: number,
    option: number,
    value: { len: number; filter: Buffer },
    length: number,
  ): number
  bind(fd: number, address: Buffer, length: number): number
  recvfrom(fd: number, data: Buffer, length: number, flags: number, from: Buffer, fromLength: number[]): number
  close(fd: number): number
  errno(): number
}

let loaded: Libc | string | undefined

function loadLibc(): Libc | string {
  loaded ??= openLibc()
  return loaded
}

function openLibc(): Libc | string {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const c = koffi.load(null)
    koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'uint8_t *' })
    return {
      socket: c.func('int socket(int domain, int type, int protocol)'),
      setsockopt: c.func('int setsockopt(int fd, int level, int option, const uint8_t *value, uint32_t length)'),
      attachFilter: c.func('int setsockopt(int fd, int level, int option, const sock_fprog *value, uint32_t length)'),
      bind: c.func('int bind(int fd, const uint8_t *address, uint32_t length)'),
      recvfrom: c.func(
        'int64_t recvfrom(int fd, _Out_ uint8_t *data, uint64_t length, int flags, _Out_ uint8_t *from, _Inout_ uint32_t *n)',
      ),
      close: c.func('int close(int fd)'),
      errno: () => koffi.errno(),
    }
  } catch (cause) {
    return `koffi cannot be loaded with this Node (${process.version}): ${String((cause as Error).message).split('\n')[0]}`
  }
}
