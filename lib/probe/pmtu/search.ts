/**
 * The search for the path MTU as a pure function of what has been seen. A reply proves that its size passes, and every
 * smaller one; an ICMP error proves that its size does not; silence proves nothing by itself, so a boundary that rests on
 * silence is asked again until loss explains it with a chance below MISTAKE.
 */
import type { Family } from '../../types.ts'
import { ascending, likelySizes, plateauSizes, spread, USUAL_FLOOR } from './sizes.ts'

/** A "too big" error that quoted one of our probes. `mtu` is null when it named none that can be true. */
export interface Signal {
  readonly from: string
  readonly mtu: number | null
}

/** What is known about one size. */
export interface SizeFacts {
  readonly size: number
  readonly sent: number
  readonly replies: number
  readonly signals: readonly Signal[]
  /** The kernel refused the size as larger than the link (EMSGSIZE). */
  readonly refused: boolean
}

export interface Question {
  readonly family: Family
  /** The largest size that is asked. */
  readonly promised: number
  /** The small size that tells whether the target answers at all. */
  readonly control: number
}

export type Step =
  /** Ask these sizes, so many copies of each. */
  | { readonly kind: 'ask'; readonly sizes: readonly number[]; readonly copies: number }
  /** Ask these two in turns, so many times each. */
  | { readonly kind: 'confirm'; readonly passes: number; readonly lost: number; readonly times: number }
  /** `boundary.hi` is null when the promised size passes. */
  | { readonly kind: 'found'; readonly boundary: Boundary; readonly by: 'reply' | 'signal' | 'silence' }
  | { readonly kind: 'give-up'; readonly boundary: Boundary }

/** lo: largest size that passed. hi: smallest larger one that did not; null when the promised size passed. */
export interface Boundary {
  readonly lo: number
  readonly hi: number | null
}

/** Chance of taking loss for a path MTU that a verdict may carry. */
const MISTAKE = 1e-4
/** z of the one-sided 97.7 % bound of the loss rate. */
const Z = 2
const CONFIRM_BATCH = 8
/** Unanswered copies of one size after which loss is too high to decide. */
const MOST_CONFIRMATIONS = 64
const SIZES_A_ROUND = 32

/** What to do next, given everything seen so far. Expects at least one reply (the control echo's). */
export function nextStep(facts: readonly SizeFacts[], question: Question): Step {
  const { lo, hi } = boundaryOf(facts, question)
  if (hi === null) return { kind: 'found', boundary: { lo, hi }, by: 'reply' }
  const signalled = untestedSignal(facts, lo, hi)
  const copies = copiesFor(facts, lo)
  if (signalled !== null) return { kind: 'ask', sizes: ascending([signalled, Math.min(signalled + 1, hi)]), copies }
  if (hi - lo > 1) return { kind: 'ask', sizes: roundSizes(facts, question, lo, hi), copies }
  if (confirmedDead(factsOf(facts, hi), lo)) return { kind: 'found', boundary: { lo, hi }, by: 'signal' }
  return confirmStep(facts, lo, hi)
}

/** The bracket around the path MTU: passed below, not passed above. A size that was not asked does not count. */
export function boundaryOf(facts: readonly SizeFacts[], question: Question): Boundary {
  const lo = Math.max(question.control, ...facts.filter((fact) => fact.replies > 0).map((fact) => fact.size))
  if (lo >= question.promised) return { lo: question.promised, hi: null }
  const dead = facts.filter((fact) => fact.size > lo && (fact.sent > 0 || provenDead(fact))).map((fact) => fact.size)
  return { lo, hi: Math.min(question.promised, ...dead) }
}

/** The largest MTU that an error named, that fits the bracket, and that has not been verified from both sides. */
function untestedSignal(facts: readonly SizeFacts[], lo: number, hi: number): number | null {
  const named = facts.flatMap((fact) => fact.signals.map((signal) => signal.mtu ?? 0))
  const open = named.filter((mtu) => (mtu > lo && mtu < hi) || (mtu === lo && hi > lo + 1))
  return open.length === 0 ? null : Math.max(...open)
}

function roundSizes(facts: readonly SizeFacts[], question: Question, lo: number, hi: number): number[] {
  const floor = USUAL_FLOOR[question.family]
  // Below the floor only when even the floor does not pass.
  const low = lo < floor && floor < hi ? floor - 1 : lo
  const likely = likelySizes(question.promised, low, hi, SIZES_A_ROUND / 2)
  const plateaus = namelessSignal(facts, lo) ? plateauSizes(low, hi) : []
  return ascending([...likely, ...plateaus, ...spread(low, hi, SIZES_A_ROUND - likely.length)])
}

/** Whether an error said "too big" without a size: its router is as old as the plateaus. */
function namelessSignal(facts: readonly SizeFacts[], lo: number): boolean {
  return facts.some((fact) => fact.size > lo && fact.signals.some((signal) => signal.mtu === null))
}

function confirmStep(facts: readonly SizeFacts[], lo: number, hi: number): Step {
  const below = factsOf(facts, lo)
  const silent = factsOf(facts, hi)?.sent ?? 0
  const lossBound = upperBound(...lossOf(below === undefined ? [] : [below]))
  const enough = lossBound ** silent <= MISTAKE
  // A router that limits its errors stays silent about hi, yet has named lo.
  const isSaid = signalNames(facts, lo) || provenDead(factsOf(facts, hi))
  if (enough) return { kind: 'found', boundary: { lo, hi }, by: isSaid ? 'signal' : 'silence' }
  if (silent >= MOST_CONFIRMATIONS) return { kind: 'give-up', boundary: { lo, hi } }
  return { kind: 'confirm', passes: lo, lost: hi, times: CONFIRM_BATCH }
}

/** Copies of each size in a round: enough that a wrong bracket is the exception at the loss seen so far. */
function copiesFor(facts: readonly SizeFacts[], lo: number): number {
  const loss = lossBelow(facts, lo)
  if (loss < 0.05) return 2
  return loss < 0.25 ? 3 : 5
}

/** Share of lost probes among the sizes that are known to pass, 0 to 1. */
export function lossBelow(facts: readonly SizeFacts[], lo: number): number {
  const [lost, sent] = lossOf(facts.filter((fact) => fact.size <= lo))
  return sent === 0 ? 0 : lost / sent
}

/** Lost and sent. A late answer to what was forgotten counts as sent again. */
function lossOf(facts: readonly SizeFacts[]): [number, number] {
  const replies = facts.reduce((sum, fact) => sum + fact.replies, 0)
  const sent = facts.reduce((sum, fact) => sum + Math.max(fact.sent, fact.replies), 0)
  return [sent - replies, sent]
}

/** Upper end of the Wilson score interval: what the rate may be, given `hits` of `trials`. */
export function upperBound(hits: number, trials: number): number {
  if (trials === 0) return 1
  const share = hits / trials
  const centre = share + (Z * Z) / (2 * trials)
  const width = Z * Math.sqrt((share * (1 - share)) / trials + (Z * Z) / (4 * trials * trials))
  return Math.min(1, (centre + width) / (1 + (Z * Z) / trials))
}

function signalNames(facts: readonly SizeFacts[], lo: number): boolean {
  return facts.some((fact) => fact.size > lo && fact.signals.some((signal) => signal.mtu === lo))
}

function provenDead(fact: SizeFacts | undefined): boolean {
  return fact !== undefined && (fact.refused || fact.signals.length > 0)
}

/**
 * What is called too big, by somebody who names what passes. An error that names less than what passed, or nothing, may be forged, and the
 * reply on its way behind it.
 */
function confirmedDead(fact: SizeFacts | undefined, lo: number): boolean {
  return fact !== undefined && (fact.refused || fact.signals.some(({ mtu }) => mtu === lo))
}

function factsOf(facts: readonly SizeFacts[], size: number): SizeFacts | undefined {
  return facts.find((fact) => fact.size === size)
}
