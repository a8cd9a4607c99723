/** What a path MTU measurement came to: plain data. */
import type { Target } from '../../types.ts'
import type { EchoError } from '../icmp-result.ts'
import type { Ledger } from './ledger.ts'
import { lossBelow, type Signal, type SizeFacts, type Step } from './search.ts'
import { LARGEST_PACKET } from './sizes.ts'

/**
 * ok: the promised size passes. lower-signalled: it does not, and somebody says so (the kernel itself when signalledBy is
 * null). black-hole: larger packets vanish without a word. unanswered: not even small echoes are answered.
 * inconclusive: loss or time did not allow an exact number. error: nothing could be sent.
 */
export type PathMtuState = 'ok' | 'lower-signalled' | 'black-hole' | 'unanswered' | 'inconclusive' | 'error'

/** All sizes are whole IP packets in bytes. */
export interface PathMtu {
  readonly target: Target
  /** What the source is promised, as it was passed in. */
  readonly promised: number
  readonly state: PathMtuState
  /** The exact largest size that passes, never above `promised`; null when it is not known exactly. */
  readonly mtu: number | null
  /** Who said that a packet was too big, and which MTU was named: the signal that fits the result best. */
  readonly signalledBy: string | null
  readonly signalledMtu: number | null
  readonly largestPass: number | null
  readonly smallestLost: number | null
  readonly probesSent: number
  /** Share of lost probes among the sizes that pass, 0 to 1. */
  readonly loss: number
  /** Longest round trip in ms; null without a reply. */
  readonly rttMs: number | null
  /** The last error that was not about size; null when there was none. */
  readonly error: EchoError | null
  readonly ms: number
}

/** Builds the result from what was seen and from the search's last step (null: nothing was answered). */
export function pathMtuOf(input: {
  readonly target: Target
  readonly promised: number
  readonly ledger: Ledger
  readonly step: Step | null
  readonly error: EchoError | null
  readonly ms: number
}): PathMtu {
  const { target, promised, ledger, step, error, ms } = input
  const facts = ledger.facts()
  const boundary = step !== null && 'boundary' in step ? step.boundary : null
  const signal = bestSignal(facts, boundary?.lo ?? 0)
  return {
    target,
    promised,
    state: stateOf(step, error, promised, target),
    mtu: step?.kind === 'found' ? step.boundary.lo : null,
    signalledBy: signal?.from ?? null,
    signalledMtu: signal?.mtu ?? null,
    largestPass: boundary?.lo ?? null,
    smallestLost: boundary?.hi ?? null,
    probesSent: ledger.sent(),
    loss: boundary === null ? 1 : lossBelow(facts, boundary.lo),
    rttMs: ledger.slowestMs(),
    error,
    ms,
  }
}

function stateOf(step: Step | null, error: EchoError | null, promised: number, target: Target): PathMtuState {
  if (step === null) return error?.kind === 'local' ? 'error' : 'unanswered'
  if (step.kind !== 'found') return 'inconclusive'
  if (step.by === 'silence') return 'black-hole'
  const whole = Math.min(promised, LARGEST_PACKET[target.family])
  return step.boundary.lo >= whole ? 'ok' : 'lower-signalled'
}

/** The signal that named the measured MTU, else the lowest one named, else one that named none; not what a reply disproved. */
function bestSignal(facts: readonly SizeFacts[], lo: number): Signal | null {
  const signals = facts.filter((fact) => fact.replies === 0).flatMap((fact) => fact.signals)
  const named = signals.filter((signal) => signal.mtu !== null).sort((a, b) => (a.mtu ?? 0) - (b.mtu ?? 0))
  return signals.find((signal) => signal.mtu === lo) ?? named[0] ?? signals[0] ?? null
}
