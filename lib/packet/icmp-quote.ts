/** The packet that an ICMP error quotes: IPv4 with options, IPv6 with extension headers, cut short anywhere. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../types.ts'

export interface Quote {
  readonly family: Family
  readonly source: string
  /** Canonical text (RFC 5952 for IPv6). Behind NAT the kernel has already put back the address that was asked. */
  readonly destination: string
  /** Length in bytes that the quoted packet's own header claims; 0 for an IPv6 jumbogram. */
  readonly packetBytes: number
  /** Protocol number behind all headers; null when the quote ends before it. */
  readonly protocol: number | null
  /** Set when the quoted packet is an ICMP echo request and enough of it is there. */
  readonly echo: { readonly id: number; readonly sequence: number } | null
}

interface Transport {
  readonly protocol: number | null
  readonly at: number
}

/** Parses the quoted packet; null when not even its addresses are there. */
export function parseQuote(quoted: Buffer): Quote | null {
  const version = (quoted[0] ?? 0) >> 4
  if (version === 4) return quoteV4(quoted)
  return version === 6 ? quoteV6(quoted) : null
}

function quoteV4(quoted: Buffer): Quote | null {
  const headerBytes = ((quoted[0] ?? 0) & 15) * 4
  if (quoted.length < 20 || headerBytes < 20) return null
  const protocol = quoted[9] ?? 0
  const firstFragment = (quoted.readUInt16BE(6) & 0x1fff) === 0
  return {
    family: 4,
    source: quoted.subarray(12, 16).join('.'),
    destination: quoted.subarray(16, 20).join('.'),
    packetBytes: quoted.readUInt16BE(2),
    protocol,
    echo: firstFragment && protocol === 1 ? echoAt(quoted, headerBytes, 8) : null,
  }
}

function quoteV6(quoted: Buffer): Quote | null {
  if (quoted.length < 40) return null
  const payloadBytes = quoted.readUInt16BE(4)
  const transport = walkExtensions(quoted)
  return {
    family: 6,
    source: textV6(quoted.subarray(8, 24)),
    destination: textV6(quoted.subarray(24, 40)),
    packetBytes: payloadBytes === 0 ? 0 : payloadBytes + 40,
    protocol: transport.protocol,
    echo: transport.protocol === 58 ? echoAt(quoted, transport.at, 128) : null,
  }
}

/** Extension headers that carry their own length in units of 8 bytes, not counting the first (RFC 8200, 6275, 7401, 5533). */
const SIZED_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60, 135, 139, 140])
const FRAGMENT = 44
const AUTHENTICATION = 51

function walkExtensions(quoted: Buffer): Transport {
  let next = quoted[6] ?? 0
  let at = 40
  while (SIZED_EXTENSIONS.has(next) || next === FRAGMENT || next === AUTHENTICATION) {
    if (at + 8 > quoted.length) return { protocol: null, at }
    // Behind a later fragment's header comes data, not the transport header.
    if (next === FRAGMENT && quoted.readUInt16BE(at + 2) >> 3 !== 0) return { protocol: null, at }
    const units = quoted[at + 1] ?? 0
    const bytes = next === FRAGMENT ? 8 : next === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8
    next = quoted[at] ?? 0
    at += bytes
  }
  return { protocol: next, at }
}

function echoAt(quoted: Buffer, at: number, requestType: number): Quote['echo'] {
  if (quoted.length < at + 8 || quoted[at] !== requestType) return null
  return { id: quoted.readUInt16BE(at + 4), sequence: quoted.readUInt16BE(at + 6) }
}

function textV6(bytes: Buffer): string {
  return new ipaddr.IPv6([...bytes]).toRFC5952String()
}
