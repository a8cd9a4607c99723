/**
 * Does a full-size TCP segment arrive? One segment of the largest size at a time: it goes out as one packet, which offloads
 * (GSO) cannot hide from a link that is too small, as they hide a bulk transfer (drivers/net/veth.c lets GSO packets pass).
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientHello, SMALLEST_HELLO } from '../../packet/client-hello.ts'
import { IP_HEADER_BYTES } from '../../packet/icmp.ts'
import { type TcpInfo, tcpInfo } from '../../socket/tcp-info.ts'
import type { Target } from '../../types.ts'
import { dial } from '../tcp.ts'

/**
 * carried      a packet of `packetBytes` was acknowledged
 * adapted      a smaller one was, after the kernel had learned that the first was too big (ICMP, or RFC 4821 probing)
 * stalled      the connection stands, but the segment is never acknowledged: hosts hang
 * unconnected  no TCP connection to the port: no evidence either way
 * ended        the peer closed before it had acknowledged, its window is shut, or this host's own device drops: no evidence
 */
export type SegmentState = 'carried' | 'adapted' | 'stalled' | 'unconnected' | 'ended'

export interface SegmentResult {
  readonly target: Target
  readonly state: SegmentState
  /** Whole IP packet of the segment that the state is about, bytes; null without a connection. */
  readonly packetBytes: number | null
  /** The path MTU that the kernel reckons with then, bytes: lower than the promise when it has learned so, now or before. */
  readonly pathMtu: number | null
  /** How often a segment was sent again. */
  readonly retransmissions: number
  readonly ms: number
}

/** Time for an acknowledgement: three repeats at Linux' smallest timeout of 200 ms (200, 400, 800) have gone out by then. */
const PATIENCE_MS = 1500
const LOOK_EVERY_MS = 5
const CONNECT_MS = 1500
/** Ports that speak TLS: https, the API server's, the kubelet's. */
const TLS_PORTS: ReadonlySet<number> = new Set([443, 6443, 8443, 10250])

/** Opens a connection to the target's port and sends one segment of the largest size. Never throws for what the network does. */
export async function fullSegment(target: Target): Promise<SegmentResult> {
  const started = performance.now()
  const { socket } = await dial(target, { budgetMs: CONNECT_MS })
  const before = socket && tcpInfo(socket)
  if (!socket || !before) {
    const ms = performance.now() - started
    return { target, state: 'unconnected', packetBytes: null, pathMtu: null, retransmissions: 0, ms }
  }
  const finish = (state: SegmentState, info: TcpInfo): SegmentResult => ({
    target,
    state,
    packetBytes: IP_HEADER_BYTES[target.family] + info.headerBytes + info.segmentBytes,
    pathMtu: info.pathMtu,
    retransmissions: info.retransmissions - before.retransmissions,
    ms: performance.now() - started,
  })
  try {
    const data = payload(target, before.segmentBytes)
    const after = await acknowledged(socket, before, data)
    // who answers the request has had it
    if (after !== null && (isAcknowledged(before, after, data) || socket.bytesRead > 0)) {
      return finish(after.segmentBytes < before.segmentBytes ? 'adapted' : 'carried', after)
    }
    if (after === null || after.inFlight === 0) return finish('ended', before)
    return { ...finish('stalled', before), retransmissions: after.retransmissions - before.retransmissions }
  } finally {
    socket.destroy()
  }
}

const isAcknowledged = (before: TcpInfo, now: TcpInfo, data: Buffer): boolean =>
  now.bytesAcknowledged - before.bytesAcknowledged >= data.length

/** What the kernel knew last: when all was acknowledged, when the connection ended, or when patience did. */
async function acknowledged(socket: Socket, before: TcpInfo, data: Buffer): Promise<TcpInfo | null> {
  socket.setNoDelay(true)
  // a peer that closes after its answer must not take the kernel's figures away
  socket.allowHalfOpen = true
  socket.write(data)
  const deadline = performance.now() + PATIENCE_MS
  let last: TcpInfo | null = null
  for (;;) {
    await sleep(LOOK_EVERY_MS)
    const info = tcpInfo(socket)
    if (info === null) return last
    last = info
    if (isAcknowledged(before, info, data) || performance.now() > deadline) return info
  }
}

/** One segment that servers bear well: a padded ClientHello where TLS is spoken, else a GET with a long header. */
function payload({ address, port = 0 }: Target, bytes: number): Buffer {
  if (TLS_PORTS.has(port) && bytes >= SMALLEST_HELLO) return clientHello(randomBytes(32), bytes)
  const head = `GET / HTTP/1.1\r\nHost: ${address.includes(':') ? `[${address}]` : address}\r\nX-Padding: `
  const tail = '\r\n\r\n'
  return Buffer.from(head + 'x'.repeat(Math.max(1, bytes - head.length - tail.length)) + tail).subarray(0, bytes)
}
