/** Echo requests that find their own answers: each reply and each ICMP error is matched to the one probe that caused it. */
import { randomBytes, randomInt } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { ECHO_HEADER_BYTES, encodeEcho, type IcmpError, type IcmpMessage, IP_HEADER_BYTES } from '../packet/icmp.ts'
import type { Family } from '../types.ts'
import { type IcmpOpenCode, openIcmp } from './icmp.ts'

export type EchoAnswer =
  | { readonly kind: 'reply'; readonly rttMs: number }
  | { readonly kind: 'error'; readonly rttMs: number; readonly from: string; readonly error: IcmpError }

export interface Echoes {
  /**
   * Sends one echo request whose IP packet has `packetBytes` bytes. `answered` is called at most once, however late,
   * until close(); once more only when a reply follows an error, which proves that error wrong. Returns null, or the
   * errno's name when the kernel refused to send.
   */
  send(address: string, packetBytes: number, answered: (answer: EchoAnswer) => void): string | null
  /** Hands over answers that have arrived but were not read yet: call it before something is given up as lost. */
  drain(): void
  /** The ICMP ids that this run has used: how its packets are known elsewhere on their way. */
  ids(): readonly number[]
  close(): void
}

export type EchoesOpening =
  | { readonly ok: true; readonly echoes: Echoes }
  | { readonly ok: false; readonly code: IcmpOpenCode; readonly detail: string; readonly hint: string }

interface Probe {
  readonly address: string
  readonly sentAt: number
  readonly answered: (answer: EchoAnswer) => void
  /** An error has been handed over. */
  rejected: boolean
}

const TOKEN_BYTES = 8
/** Smallest packet that still carries the token which tells our own replies from others'. */
export const SMALLEST_ECHO: Readonly<Record<Family, number>> = {
  4: IP_HEADER_BYTES[4] + ECHO_HEADER_BYTES + TOKEN_BYTES,
  6: IP_HEADER_BYTES[6] + ECHO_HEADER_BYTES + TOKEN_BYTES,
}

const idsInUse = new Set<number>()

/** Starts a run of echoes with random ids, sequence numbers and payload token. Fails like openIcmp. */
export function openEchoes(family: Family): EchoesOpening {
  const token = randomBytes(TOKEN_BYTES)
  const probes = new Map<number, Probe>()
  const keys = keySequence()
  const opening = openIcmp(family, (message, source, atMs) => dispatch(probes, token, message, source, atMs))
  if (!opening.ok) return opening
  const { channel } = opening
  const send: Echoes['send'] = (address, packetBytes, answered) => {
    const payload = new Uint8Array(packetBytes - IP_HEADER_BYTES[family] - ECHO_HEADER_BYTES)
    payload.set(token)
    const key = keys.next()
    const message = encodeEcho(family, 'echo-request', { id: key >>> 16, sequence: key & 0xffff, payload })
    // Registered first: over loopback the reply is in the receive buffer before sendto(2) returns.
    probes.set(key, { address: canonicalAddress(address), sentAt: performance.now(), answered, rejected: false })
    const refused = channel.send(message, address)
    if (refused !== null) probes.delete(key)
    return refused
  }
  const close = () => {
    channel.close()
    probes.clear()
    keys.release()
  }
  return { ok: true, echoes: { send, drain: channel.drain, ids: keys.ids, close } }
}

function dispatch(probes: Map<number, Probe>, token: Buffer, message: IcmpMessage, source: string, atMs: number): void {
  const echo = message.kind === 'error' ? message.quote?.echo : message.kind === 'echo-reply' ? message : null
  if (!echo) return
  const key = echo.id * 0x10000 + echo.sequence
  const probe = probes.get(key)
  if (probe === undefined) return
  const rttMs = atMs - probe.sentAt
  if (message.kind === 'error') {
    if (probe.rejected || message.quote?.destination !== probe.address) return
    probe.rejected = true
    probe.answered({ kind: 'error', rttMs, from: source, error: message })
  } else if (message.kind === 'echo-reply') {
    if (!message.payload.subarray(0, TOKEN_BYTES).equals(token) || canonicalAddress(source) !== probe.address) return
    probes.delete(key)
    probe.answered({ kind: 'reply', rttMs })
  }
}

/** Keys are id << 16 | sequence: random start, 65,536 probes to an id, then the next id of this process's own. */
function keySequence(): { next(): number; ids(): readonly number[]; release(): void } {
  const ids: number[] = []
  let sequence = randomInt(0x10000)
  let left = 0
  return {
    next() {
      if (left === 0) {
        ids.push(takeId())
        left = 0x10000
      }
      left -= 1
      sequence = (sequence + 1) & 0xffff
      return (ids.at(-1) ?? 0) * 0x10000 + sequence
    },
    ids: () => ids,
    release() {
      for (const id of ids) idsInUse.delete(id)
    },
  }
}

function takeId(): number {
  let id = randomInt(0x10000)
  while (idsInUse.has(id)) id = randomInt(0x10000)
  idsInUse.add(id)
  return id
}

/** Canonical text without zone (fe80::1%eth0 -> fe80::1): what a reply's source and a quoted destination look like. */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address
  const [bare = ''] = address.split('%')
  return ipaddr.IPv6.isValid(bare) ? ipaddr.IPv6.parse(bare).toRFC5952String() : address
}
