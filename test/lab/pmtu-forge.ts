/** ICMP errors as a router, or whoever pretends to be one, writes them: whole IP packets, checksums right. */
import ipaddr from 'ipaddr.js'
import { internetChecksum } from '../../lib/packet/icmp.ts'
import type { Family } from '../../lib/types.ts'

const HEADER = { 4: 20, 6: 40 } as const
const ECHO_REQUEST = { 4: 8, 6: 128 } as const
const TOO_BIG = { 4: [3, 4], 6: [2, 0] } as const

/** The family of a packet that is an echo request without options and extension headers; null for any other. */
export function echoRequestOf(packet: Buffer): Family | null {
  const family = (packet[0] ?? 0) >> 4 === 4 ? 4 : 6
  const protocol = family === 4 ? packet[9] === 1 : packet[6] === 58
  return protocol && packet[HEADER[family]] === ECHO_REQUEST[family] ? family : null
}

/** Whether a packet says "fragmentation needed" or "packet too big". */
export function isTooBig(packet: Buffer): boolean {
  const family = (packet[0] ?? 0) >> 4 === 4 ? 4 : 6
  const at = HEADER[family]
  const [type, code] = TOO_BIG[family]
  return packet[family === 4 ? 9 : 6] === (family === 4 ? 1 : 58) && packet[at] === type && packet[at + 1] === code
}

/** "Too big" from `from` to the source of `quoted`, naming `mtu`, with the first `quoteBytes` bytes of what is quoted. */
export function tooBig(quoted: Buffer, from: string, mtu: number, quoteBytes = 548): Buffer {
  const family: Family = (quoted[0] ?? 0) >> 4 === 4 ? 4 : 6
  const message = Buffer.concat([Buffer.from([...TOO_BIG[family], 0, 0, 0, 0, 0, 0]), quoted.subarray(0, quoteBytes)])
  if (family === 4) message.writeUInt16BE(mtu, 6)
  else message.writeUInt32BE(mtu, 4)
  const source = Buffer.from(ipaddr.parse(from).toByteArray())
  const to = family === 4 ? quoted.subarray(12, 16) : quoted.subarray(8, 24)
  return family === 4 ? packetV4(source, to, message) : packetV6(source, to, message)
}

/** The same error with another MTU field (0: as routers older than RFC 1191 send it). */
export function withMtu(error: Buffer, mtu: number): Buffer {
  const family = (error[0] ?? 0) >> 4 === 4 ? 4 : 6
  return tooBig(error.subarray(HEADER[family] + 8), sourceOf(error), mtu, error.length)
}

/** The same error, itself behind IPv4 options or an IPv6 hop-by-hop header, and what it quotes behind them too. */
export function withOptions(error: Buffer): Buffer {
  const family = (error[0] ?? 0) >> 4 === 4 ? 4 : 6
  const quoted = insertOptions(error.subarray(HEADER[family] + 8))
  const mtu = family === 4 ? error.readUInt16BE(26) : error.readUInt32BE(44)
  return insertOptions(tooBig(quoted, sourceOf(error), mtu, 508))
}

function sourceOf(packet: Buffer): string {
  const bytes = (packet[0] ?? 0) >> 4 === 4 ? packet.subarray(12, 16) : packet.subarray(8, 24)
  return ipaddr.fromByteArray([...bytes]).toString()
}

/** Eight bytes: IPv4 no-operations, or an IPv6 hop-by-hop header of padding. */
function insertOptions(packet: Buffer): Buffer {
  if ((packet[0] ?? 0) >> 4 === 4) {
    const longer = Buffer.concat([packet.subarray(0, 20), Buffer.alloc(8, 1), packet.subarray(20)])
    longer[0] = 0x47
    longer.writeUInt16BE(packet.readUInt16BE(2) + 8, 2)
    longer.writeUInt16BE(0, 10)
    longer.writeUInt16BE(internetChecksum(longer.subarray(0, 28)), 10)
    return longer
  }
  const hopByHop = Buffer.from([packet[6] ?? 0, 0, 1, 4, 0, 0, 0, 0])
  const longer = Buffer.concat([packet.subarray(0, 40), hopByHop, packet.subarray(40)])
  longer[6] = 0
  longer.writeUInt16BE(packet.readUInt16BE(4) + 8, 4)
  return longer
}

function packetV4(source: Buffer, to: Buffer, message: Buffer): Buffer {
  const header = Buffer.from('45c000000000000040010000', 'hex')
  const packet = Buffer.concat([header, source, to, message])
  packet.writeUInt16BE(packet.length, 2)
  packet.writeUInt16BE(internetChecksum(packet.subarray(0, 20)), 10)
  packet.writeUInt16BE(internetChecksum(message), 22)
  return packet
}

function packetV6(source: Buffer, to: Buffer, message: Buffer): Buffer {
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(message.length, 0)
  pseudo[7] = 58
  message.writeUInt16BE(internetChecksum(Buffer.concat([source, to, pseudo, message])), 2)
  const header = Buffer.from('6000000000003a40', 'hex')
  header.writeUInt16BE(message.length, 4)
  return Buffer.concat([header, source, to, message])
}
