/** What the kernel knows of a TCP connection (TCP_INFO, tcp(7)). */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

const IPPROTO_TCP = 6
const TCP_INFO = 11
/** Offset of tcpi_total_retrans in struct tcp_info (include/uapi/linux/tcp.h); a SYN sent again counts. */
const TOTAL_RETRANS = 100
const ENOUGH_BYTES = 104

type GetSockOpt = (fd: number, level: number, option: number, value: Buffer, length: number[]) => number

/**
 * How many segments a connected socket has sent again: right after the handshake, how many SYNs were lost or refused an
 * answer. Exact where a clock is not: a busy process sees its connections late. 0 where the kernel cannot be asked.
 */
export function retransmissions(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd
  if (fd === undefined || fd < 0) return 0
  const info = Buffer.alloc(ENOUGH_BYTES)
  const length = [info.length]
  const failed = getsockopt()?.(fd, IPPROTO_TCP, TCP_INFO, info, length) !== 0
  return failed || (length[0] ?? 0) < ENOUGH_BYTES ? 0 : info.readUInt32LE(TOTAL_RETRANS)
}

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
