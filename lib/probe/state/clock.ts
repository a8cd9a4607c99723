/** The clocks of this machine and of a server, by the Date of an answer (RFC 9110 section 6.6.1). Pure. */
import type { Certificate } from '../certificate.ts'
import { fine, notApplicable, type StateVerdict, table } from './verdict.ts'

/** One answer's Date; all in ms since 1970. */
export interface ServerClock {
  /** By the server, in whole seconds, rounded down. */
  readonly date: number
  /** By this machine: when the question left, and when the answer came. */
  readonly sent: number
  readonly received: number
}

export interface ClockReading {
  readonly server: string
  readonly clock: ServerClock
}

const DATE_STEP_MS = 1000
const WARN_MS = 5000
const FAIL_MS = 60_000

/**
 * By how much this machine is certainly ahead of the server (positive) or behind it (negative), ms: what the time on the way and
 * the rounding of the Date cannot explain.
 */
export function skewOf({ date, sent, received }: ServerClock): number {
  const ahead = sent - (date + DATE_STEP_MS)
  const behind = date - received
  if (ahead > 0) return ahead
  return behind > 0 ? -behind : 0
}

/** CLOCK_SKEW: from 5 s on a warning, from 60 s on a failure: token lifetimes and certificates allow less and less. */
export function judgeClock(readings: readonly ClockReading[]): StateVerdict {
  const measured = readings.map((reading) => ({ ...reading, skew: skewOf(reading.clock) }))
  const worst = measured.toSorted((a, b) => Math.abs(b.skew) - Math.abs(a.skew))[0]
  if (!worst) return notApplicable('an answer of the API server with a Date', 'it gave none')
  const rows = measured.map(({ server, clock, skew }) => [
    ...[
      server,
      new Date(clock.date).toISOString(),
      new Date(clock.received).toISOString(),
      Math.round(skew / 100) / 10,
    ],
  ])
  const evidence = table('clocks', ['server', 'its Date', 'this node', 'apart s'], rows)
  const size = Math.abs(worst.skew)
  if (size <= WARN_MS) return fine('the clocks of this node and of the API server agree within 5 s', evidence)
  const detail = `the clock of this node is ${duration(size)} ${worst.skew > 0 ? 'ahead of' : 'behind'} that of the API server ${worst.server}`
  const hint =
    'Compare `date -u` on both with a third clock; on the one that is wrong repair time synchronisation: `chronyc tracking`, `timedatectl`.'
  return { is: size > FAIL_MS ? 'broken' : 'doubtful', code: 'CLOCK_SKEW', detail, hint, evidence }
}

/** Why a certificate is out of its time here and in time by the server's own clock; null: another reason. */
export function clockExplains({ validFrom, validTo }: Certificate, clock: ServerClock): string | null {
  const holds = (at: number) => Date.parse(validFrom) <= at && at < Date.parse(validTo)
  const skew = skewOf(clock)
  if (holds(clock.received) || !holds(clock.date) || Math.abs(skew) <= WARN_MS) return null
  const side = skew > 0 ? 'ahead' : 'behind'
  return `its certificate is valid by its own clock, not by that of this node, which is ${duration(Math.abs(skew))} ${side}`
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}
