/** Everything seen while one path is measured, by packet size; fed by answers whenever they come. */
import type { EchoAnswer } from '../../socket/icmp-echo.ts'
import { type EchoError, localError, remoteError } from '../icmp-result.ts'
import type { Signal, SizeFacts } from './search.ts'

interface Entry {
  readonly size: number
  sent: number
  replies: number
  readonly signals: Signal[]
  refused: boolean
}

export interface Ledger {
  noteSent(size: number): void
  noteRefused(size: number, errno: string): void
  noteAnswer(size: number, answer: EchoAnswer): void
  /** Takes back that sizes above `size` were asked in vain; what answered or was called too big stays. */
  forgetSilence(size: number): void
  /** Whether a size has been answered, by a reply, an error or the kernel's refusal. */
  settled(size: number): boolean
  facts(): readonly SizeFacts[]
  sent(): number
  /** Replies that one size has had. */
  replies(size: number): number
  /** Longest round trip in ms; null before the first reply. */
  slowestMs(): number | null
  /** The last error that says nothing about sizes; null when there was none. */
  error(): EchoError | null
}

export function newLedger(): Ledger {
  const entries = new Map<number, Entry>()
  let sent = 0
  let slowest: number | null = null
  let error: EchoError | null = null
  const entry = (size: number): Entry => {
    const known = entries.get(size) ?? { size, sent: 0, replies: 0, signals: [], refused: false }
    entries.set(size, known)
    return known
  }
  return {
    noteSent(size) {
      entry(size).sent += 1
      sent += 1
    },
    noteRefused(size, errno) {
      if (errno === 'EMSGSIZE') {
        entry(size).refused = true
        return
      }
      // A local rule that drops counts like one further on: the size was asked and had no answer.
      entry(size).sent += 1
      error = localError(errno)
    },
    noteAnswer(size, answer) {
      if (answer.kind === 'reply') {
        entry(size).replies += 1
        slowest = Math.max(slowest ?? 0, answer.rttMs)
      } else if (answer.error.reason === 'too-big') {
        // A router cannot want a packet smaller than one that it calls too big: such a value is no size.
        const mtu = answer.error.mtu !== undefined && answer.error.mtu < size ? answer.error.mtu : null
        entry(size).signals.push({ from: answer.from, mtu })
      } else {
        error = remoteError(answer.from, answer.error)
      }
    },
    forgetSilence(size) {
      for (const each of entries.values()) if (each.size > size && each.replies === 0) each.sent = 0
    },
    settled(size) {
      const { replies, signals, refused } = entry(size)
      return replies > 0 || signals.length > 0 || refused
    },
    facts: () => [...entries.values()],
    sent: () => sent,
    replies: (size) => entries.get(size)?.replies ?? 0,
    slowestMs: () => slowest,
    error: () => error,
  }
}
