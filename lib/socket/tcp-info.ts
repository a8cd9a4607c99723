/** What the kernel knows of a TCP connection (TCP_INFO, tcp(7)). */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

const IPPROTO_TCP = 6
const TCP_INFO = 11
/** Offsets in struct tcp_info (include/uapi/linux/tcp.h): 32-bit fields, but a byte of options and 64-bit bytes_acked (Linux 4.1). */
const OPTIONS = 5
const SND_MSS = 16
const UNACKED = 24
const PMTU = 60
const TOTAL_RETRANS = 100
const BYTES_ACKED = 120
const ENOUGH_BYTES = 128
/** tcpi_options: timestamps were agreed on (TCPI_OPT_TIMESTAMPS). */
const TIMESTAMPS = 1
/** Bytes of the TCP header, and of the timestamps in every segment once agreed on (RFC 7323 appendix A). */
const HEADER_BYTES = 20
const TIMESTAMP_BYTES = 12

type GetSockOpt = (fd: number, level: number, option: number, value: Buffer, length: number[]) => number

export interface TcpInfo {
  /** Payload of the largest segment that is sent now, bytes. */
  readonly segmentBytes: number
  /** What goes before it in every packet behind the IP header, bytes. */
  readonly headerBytes: number
  /** Segments that were sent and are not acknowledged yet. */
  readonly inFlight: number
  /** Bytes that the peer has acknowledged; the SYN counts as one. */
  readonly bytesAcknowledged: number
  /** The path MTU that the kernel reckons with, bytes. */
  readonly pathMtu: number
  /** Segments sent again, SYNs included. */
  readonly retransmissions: number
}

/** What the kernel knows of a socket; null where it cannot be asked. */
export function tcpInfo(socket: Socket): TcpInfo | null {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd
  if (fd === undefined || fd < 0) return null
  const info = Buffer.alloc(ENOUGH_BYTES)
  const length = [info.length]
  const failed = getsockopt()?.(fd, IPPROTO_TCP, TCP_INFO, info, length) !== 0
  if (failed || (length[0] ?? 0) < ENOUGH_BYTES) return null
  return {
    segmentBytes: info.readUInt32LE(SND_MSS),
    headerBytes: HEADER_BYTES + ((info[OPTIONS] ?? 0) & TIMESTAMPS ? TIMESTAMP_BYTES : 0),
    inFlight: info.readUInt32LE(UNACKED),
    bytesAcknowledged: Number(info.readBigUInt64LE(BYTES_ACKED)),
    pathMtu: info.readUInt32LE(PMTU),
    retransmissions: info.readUInt32LE(TOTAL_RETRANS),
  }
}

/**
 * How many segments a connected socket has sent again: right after the handshake, how many SYNs were lost or refused an
 * answer. Exact where a clock is not: a busy process sees its connections late. 0 where the kernel cannot be asked.
 */
export const retransmissions = (socket: Socket): number => tcpInfo(socket)?.retransmissions ?? 0

let loaded: GetSockOpt | null | undefined

function getsockopt(): GetSockOpt | null {
  if (loaded !== undefined) return loaded
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const declaration = 'int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *length)'
    loaded = koffi.load(null).func(declaration) as GetSockOpt
  } catch {
    // Without koffi nothing can enter a pod's namespace either: that is said where it is needed.
    loaded = null
  }
  return loaded
}
