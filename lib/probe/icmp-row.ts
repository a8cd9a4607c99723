/** The state of one target while it is pinged: how many echoes it gets, and when it is decided. */
import type { EchoAnswer } from '../socket/icmp-echo.ts'
import type { Target } from '../types.ts'
import { type EchoError, type EchoResult, localError, remoteError } from './icmp-result.ts'

export interface EchoLimits {
  /** Echoes a target gets at first. */
  readonly probes: number
  /** Between two echoes to one target. */
  readonly intervalMs: number
  /** How long after the last echo a reply still counts. */
  readonly timeoutMs: number
  /** Further echoes for a target that never answered; one that answered and lost some gets MORE_WHEN_LOST. */
  readonly moreWhenSilent: number
}

export interface EchoRow {
  readonly target: Target
  /** Oldest first; answered ones are dropped from the front. */
  readonly waiting: Waiting[]
  readonly rttsMs: number[]
  sent: number
  /** How many echoes it may get in all. */
  budget: number
  more: number
  nextAt: number
  lastAt: number
  error: EchoError | null
}

export interface Waiting {
  readonly sentAt: number
  open: boolean
}

export const MORE_WHEN_LOST = 20
/** Where some of those were lost too: enough to tell a lossy path from one that loses a packet of a hundred. */
export const MORE_WHEN_LOST_AGAIN = 100
/** From this share on it is plain. */
const PLAIN = 0.5
const MORE_INTERVAL_MS = 10
/** Unanswered for so long, an echo counts as lost enough to send more; a later reply still counts. */
const OVERDUE_MS = 300
/** What an ICMP error has answered is not waited for any longer than this. */
const REJECTED_MS = 500

export function newRow(target: Target, limits: EchoLimits): EchoRow {
  return {
    target,
    waiting: [],
    rttsMs: [],
    sent: 0,
    budget: limits.probes,
    more: 0,
    nextAt: 0,
    lastAt: 0,
    error: null,
  }
}

/** Notes a send; returns what its answer is to be given to. */
export function noteSent(row: EchoRow, limits: EchoLimits, now: number): Waiting {
  const waiting: Waiting = { sentAt: now, open: true }
  row.waiting.push(waiting)
  row.sent += 1
  row.lastAt = now
  row.nextAt = now + (row.more > 0 ? Math.min(MORE_INTERVAL_MS, limits.intervalMs) : limits.intervalMs)
  return waiting
}

/** Takes a send back that did not happen because the send buffer was full: it will be tried again. */
export function forgetSent(row: EchoRow, waiting: Waiting): void {
  row.waiting.splice(row.waiting.indexOf(waiting), 1)
  row.sent -= 1
  row.nextAt = waiting.sentAt
}

/** Notes that the kernel refused an echo that noteSent has counted. */
export function noteRefused(row: EchoRow, waiting: Waiting, errno: string): void {
  waiting.open = false
  row.error = localError(errno)
}

export function noteAnswer(row: EchoRow, waiting: Waiting, answer: EchoAnswer): void {
  waiting.open = false
  if (answer.kind === 'reply') row.rttsMs.push(answer.rttMs)
  else row.error = remoteError(answer.from, answer.error)
}

/** Grants more echoes to a target that lost one, and again where that was confirmed: loss is measured before anybody judges it. */
export function grantMore(row: EchoRow, limits: EchoLimits, now: number): void {
  while (row.waiting[0]?.open === false) row.waiting.shift()
  const oldest = row.waiting[0]
  const answered = row.rttsMs.length
  const overdue = oldest !== undefined && now - oldest.sentAt > OVERDUE_MS
  const rejectedSome = answered > 0 && row.error !== null
  if (!overdue && !rejectedSome) return
  const more = answered === 0 ? limits.moreWhenSilent : lostAgain(row, now) ? MORE_IN_ALL : MORE_WHEN_LOST
  if (more <= row.more) return
  row.budget += more - row.more
  row.more = more
}

const MORE_IN_ALL = MORE_WHEN_LOST + MORE_WHEN_LOST_AGAIN

/** The further echoes are all out and waited for, and more than one is missing. */
function lostAgain(row: EchoRow, now: number): boolean {
  if (row.more < MORE_WHEN_LOST || row.sent < row.budget || now - row.lastAt < OVERDUE_MS) return false
  const lost = row.sent - row.rttsMs.length
  return lost > 1 && lost < row.sent * PLAIN
}

/** Whether everything is answered, or has been waited for. */
export function isDecided(row: EchoRow, limits: EchoLimits, now: number): boolean {
  if (row.sent < row.budget) return false
  if (row.waiting.every((waiting) => !waiting.open)) return true
  const rejected = row.rttsMs.length === 0 && row.error !== null
  return now - row.lastAt > (rejected ? Math.min(REJECTED_MS, limits.timeoutMs) : limits.timeoutMs)
}

export function rowResult(row: EchoRow): EchoResult {
  return { target: row.target, sent: row.sent, received: row.rttsMs.length, rttsMs: row.rttsMs, error: row.error }
}
