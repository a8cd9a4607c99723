/** IP packets as a packet tap sees them, from their network header on; a tunnel's packets are opened. Pure. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../types.ts'

export interface SeenPacket {
  readonly family: Family
  readonly source: string
  readonly destination: string
  readonly protocol: 'icmp' | 'tcp' | 'udp' | 'other'
  /** TCP and UDP ports; for an ICMP echo its id stands in both, as conntrack has it. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** TCP flags byte (RFC 9293): 0x02 SYN, 0x04 RST, 0x10 ACK; 0 for other protocols. */
  readonly flags: number
  readonly icmp: { readonly type: number; readonly code: number } | null
  /**
   * What address translation leaves as it is, the same in a probe and in what answers it: a SYN's sequence number, an echo's
   * sequence number and first bytes; null: it has none, or was cut short before it.
   */
  readonly mark: string | null
  /** The packet that an ICMP error is about. */
  readonly quoted: SeenPacket | null
  /** What it travelled in, when it came out of a tunnel's packet. */
  readonly outer: { readonly source: string; readonly destination: string; readonly port: number | null } | null
}

/** Ports that VXLAN is spoken on: Linux' own and IANA's, and OpenStack's and Docker's habit. */
const VXLAN_PORTS: ReadonlySet<number> = new Set([8472, 4789, 4790])
const GENEVE_PORT = 6081
const IPIP = 4
const IPV6_IN_IP = 41

/** Reads a packet; null for what is not IP or is cut short before its addresses. Fragments but the first have no ports. */
export function readPacket(bytes: Buffer, tunnelPorts: ReadonlySet<number> = VXLAN_PORTS): SeenPacket | null {
  const version = (bytes[0] ?? 0) >> 4
  if (version === 4 && bytes.length >= 20) {
    const header = ((bytes[0] ?? 0) & 15) * 4
    const first = (bytes.readUInt16BE(6) & 0x1fff) === 0
    const [source, destination] = [bytes.subarray(12, 16).join('.'), bytes.subarray(16, 20).join('.')]
    return transport(bytes, 4, source, destination, bytes[9] ?? 0, first ? header : bytes.length, tunnelPorts)
  }
  if (version !== 6 || bytes.length < 40) return null
  const [source, destination] = [textV6(bytes.subarray(8, 24)), textV6(bytes.subarray(24, 40))]
  return transport(bytes, 6, source, destination, bytes[6] ?? 0, 40, tunnelPorts)
}

function transport(
  bytes: Buffer,
  family: Family,
  source: string,
  destination: string,
  protocol: number,
  at: number,
  tunnelPorts: ReadonlySet<number>,
): SeenPacket | null {
  const none = { sourcePort: 0, destinationPort: 0, flags: 0, icmp: null, mark: null, quoted: null }
  const plain = { family, source, destination, ...none }
  const rest = bytes.subarray(at)
  if (protocol === IPIP || protocol === IPV6_IN_IP) {
    return inside(readPacket(rest, tunnelPorts), { source, destination, port: null }) ?? other(plain)
  }
  if ((protocol === 6 || protocol === 17) && rest.length >= 4) {
    const [sourcePort, destinationPort] = [rest.readUInt16BE(0), rest.readUInt16BE(2)]
    if (protocol === 17) {
      const carried = tunnelled(rest, destinationPort, tunnelPorts)
      const opened = carried && inside(readPacket(carried, tunnelPorts), { source, destination, port: destinationPort })
      if (opened) return opened
    }
    const flags = protocol === 6 ? (rest[13] ?? 0) : 0
    const mark = protocol === 6 ? tcpMark(rest, flags) : null
    return { ...plain, sourcePort, destinationPort, protocol: protocol === 6 ? 'tcp' : 'udp', flags, mark, outer: null }
  }
  if ((protocol === 1 && family === 4) || (protocol === 58 && family === 6)) return icmp(rest, plain, tunnelPorts)
  return other(plain)
}

/** Of a TCP header's flags (RFC 9293 section 3.1). */
export const ACK = 0x10

/** What answers a SYN acknowledges the next number (RFC 9293 section 3.5). An ICMP error quotes the sequence number at least. */
function tcpMark(tcp: Buffer, flags: number): string | null {
  if (tcp.length < 8) return null
  return `syn ${(flags & ACK) !== 0 ? (tcp.readUInt32BE(8) - 1) >>> 0 : tcp.readUInt32BE(4)}`
}

type Plain = Omit<SeenPacket, 'protocol' | 'outer'>
const other = (plain: Plain): SeenPacket => ({ ...plain, protocol: 'other', outer: null })

const inside = (packet: SeenPacket | null, outer: NonNullable<SeenPacket['outer']>): SeenPacket | null =>
  packet && { ...packet, outer: packet.outer ?? outer }

const UDP_BYTES = 8
const VXLAN_BYTES = 8
const ETHERNET_BYTES = 14

/** The Ethernet frame's payload in a VXLAN or Geneve packet (RFC 7348, RFC 8926). */
function tunnelled(udp: Buffer, port: number, tunnelPorts: ReadonlySet<number>): Buffer | null {
  const body = udp.subarray(UDP_BYTES)
  if (tunnelPorts.has(port)) return body.subarray(VXLAN_BYTES + ETHERNET_BYTES)
  if (port === GENEVE_PORT) return body.subarray(8 + ((body[0] ?? 0) & 0x3f) * 4 + ETHERNET_BYTES)
  return null
}

/** Echo request and reply of each family; the errors carry the packet that they are about behind 8 bytes. */
function icmp(rest: Buffer, plain: Plain, tunnelPorts: ReadonlySet<number>): SeenPacket {
  const [type = 0, code = 0] = rest
  const isEcho = plain.family === 4 ? type === 8 || type === 0 : type === 128 || type === 129
  const id = isEcho && rest.length >= 6 ? rest.readUInt16BE(4) : 0
  const mark = isEcho && rest.length >= 16 ? `echo ${rest.toString('hex', 6, 16)}` : null
  const isError = plain.family === 4 ? [3, 4, 5, 11, 12].includes(type) : type < 128
  return {
    ...plain,
    protocol: 'icmp',
    sourcePort: id,
    destinationPort: id,
    icmp: { type, code },
    mark,
    quoted: isError ? readPacket(rest.subarray(8), tunnelPorts) : null,
    outer: null,
  }
}

const textV6 = (bytes: Uint8Array): string => new ipaddr.IPv6([...bytes]).toRFC5952String()
