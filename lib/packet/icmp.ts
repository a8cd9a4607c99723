/**
 * ICMP for IPv4 (RFC 792, 1191, 1812) and IPv6 (RFC 4443): pure encode and decode.
 * Nothing here throws on what the network sent: a packet that makes no sense decodes to null.
 */
import type { Family } from '../types.ts'
import { parseQuote, type Quote } from './icmp-quote.ts'

export interface IcmpEcho {
  readonly kind: 'echo-request' | 'echo-reply'
  readonly id: number
  readonly sequence: number
  /** A view into the packet, not a copy. */
  readonly payload: Buffer
}

/** What an ICMP error means, whichever family said it. */
export type IcmpReason = 'unreachable' | 'prohibited' | 'too-big' | 'time-exceeded' | 'parameter-problem'

export interface IcmpError {
  readonly kind: 'error'
  readonly type: number
  readonly code: number
  readonly reason: IcmpReason
  /** The field's name for type and code: "host unreachable". */
  readonly text: string
  /** MTU of the next hop in bytes; undefined when the router did not say (0: older than RFC 1191) or it is no size. */
  readonly mtu: number | undefined
  /** The packet that caused the error, as far as it was quoted; null when it cannot be parsed. */
  readonly quote: Quote | null
}

export type IcmpMessage = IcmpEcho | IcmpError

/** Bytes of the IP header that the kernel puts before an echo. */
export const IP_HEADER_BYTES: Readonly<Record<Family, number>> = { 4: 20, 6: 40 }
/** Bytes of the ICMP header of an echo. */
export const ECHO_HEADER_BYTES = 8
/** Smallest packet that every hop must carry (RFC 791, RFC 8200). */
export const SMALLEST_LINK_MTU: Readonly<Record<Family, number>> = { 4: 68, 6: 1280 }

const ECHO_TYPES: Readonly<Record<Family, Readonly<Record<number, IcmpEcho['kind']>>>> = {
  4: { 8: 'echo-request', 0: 'echo-reply' },
  6: { 128: 'echo-request', 129: 'echo-reply' },
}

/**
 * An ICMP echo message without IP header. For IPv6 the checksum stays 0: the kernel fills it in, because it covers the
 * source address, which is not known before routing.
 */
export function encodeEcho(
  family: Family,
  kind: IcmpEcho['kind'],
  echo: { readonly id: number; readonly sequence: number; readonly payload: Uint8Array },
): Buffer {
  const message = Buffer.alloc(ECHO_HEADER_BYTES + echo.payload.length)
  const request = kind === 'echo-request'
  message[0] = family === 4 ? (request ? 8 : 0) : request ? 128 : 129
  message.writeUInt16BE(echo.id, 4)
  message.writeUInt16BE(echo.sequence, 6)
  message.set(echo.payload, ECHO_HEADER_BYTES)
  if (family === 4) message.writeUInt16BE(internetChecksum(message), 2)
  return message
}

/** Decodes what an IPv4 raw ICMP socket hands over: the whole packet with its IP header. */
export function decodeIcmpv4(packet: Buffer): IcmpMessage | null {
  if (packet.length < 20 || (packet[0] ?? 0) >> 4 !== 4) return null
  const headerBytes = ((packet[0] ?? 0) & 15) * 4
  if (headerBytes < 20 || packet.length < headerBytes + ECHO_HEADER_BYTES || packet[9] !== 1) return null
  const message = packet.subarray(headerBytes)
  // Raw sockets get packets before the kernel has verified the ICMP checksum.
  if (internetChecksum(message) !== 0) return null
  return decodeMessage(4, message)
}

/** Decodes what an IPv6 raw ICMP socket hands over: the ICMPv6 message alone, its checksum verified by the kernel. */
export function decodeIcmpv6(message: Buffer): IcmpMessage | null {
  return message.length < ECHO_HEADER_BYTES ? null : decodeMessage(6, message)
}

function decodeMessage(family: Family, message: Buffer): IcmpMessage | null {
  const type = message[0] ?? 0
  const code = message[1] ?? 0
  const echo = ECHO_TYPES[family][type]
  if (echo !== undefined) {
    if (code !== 0) return null
    return {
      kind: echo,
      id: message.readUInt16BE(4),
      sequence: message.readUInt16BE(6),
      payload: message.subarray(ECHO_HEADER_BYTES),
    }
  }
  const reason = family === 4 ? reasonV4(type, code) : reasonV6(type, code)
  if (reason === null) return null
  const mtu = family === 4 ? message.readUInt16BE(6) : message.readUInt32BE(4)
  return {
    kind: 'error',
    type,
    code,
    reason,
    text: errorText(family, type, code),
    mtu: reason === 'too-big' && mtu >= SMALLEST_LINK_MTU[4] ? mtu : undefined,
    quote: parseQuote(message.subarray(ECHO_HEADER_BYTES)),
  }
}

function reasonV4(type: number, code: number): IcmpReason | null {
  if (type === 11) return 'time-exceeded'
  if (type === 12) return 'parameter-problem'
  if (type !== 3) return null
  if (code === 4) return 'too-big'
  return [9, 10, 13].includes(code) ? 'prohibited' : 'unreachable'
}

function reasonV6(type: number, code: number): IcmpReason | null {
  if (type === 2) return 'too-big'
  if (type === 3) return 'time-exceeded'
  if (type === 4) return 'parameter-problem'
  if (type !== 1) return null
  return [1, 5, 6].includes(code) ? 'prohibited' : 'unreachable'
}

const UNREACHABLE_V4: Readonly<Record<number, string>> = {
  0: 'network unreachable',
  1: 'host unreachable',
  2: 'protocol unreachable',
  3: 'port unreachable',
  4: 'fragmentation needed',
  5: 'source route failed',
  6: 'destination network unknown',
  7: 'destination host unknown',
  9: 'network administratively prohibited',
  10: 'host administratively prohibited',
  13: 'communication administratively prohibited',
}

const UNREACHABLE_V6: Readonly<Record<number, string>> = {
  0: 'no route to destination',
  1: 'communication administratively prohibited',
  2: 'beyond scope of source address',
  3: 'address unreachable',
  4: 'port unreachable',
  5: 'source address failed ingress/egress policy',
  6: 'reject route to destination',
}

function errorText(family: Family, type: number, code: number): string {
  const unreachable = family === 4 ? UNREACHABLE_V4 : UNREACHABLE_V6
  if (type === (family === 4 ? 3 : 1)) return unreachable[code] ?? `destination unreachable, code ${code}`
  if (type === (family === 4 ? 11 : 3)) return code === 1 ? 'fragment reassembly time exceeded' : 'hop limit exceeded'
  return type === 2 ? 'packet too big' : 'parameter problem'
}

/** The Internet checksum (RFC 1071) of a message; 0 when the message holds its own right checksum. */
export function internetChecksum(message: Uint8Array): number {
  let sum = 0
  const even = message.length & ~1
  for (let at = 0; at < even; at += 2) sum += ((message[at] ?? 0) << 8) | (message[at + 1] ?? 0)
  if (even < message.length) sum += (message[even] ?? 0) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}
