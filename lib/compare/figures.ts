/** The figures in a result's evidence that can be compared over time. Pure; what is not as expected is left out, since a file may hold anything. */
import type { Evidence, Result } from '../types.ts'
import type { Share } from './statistics.ts'

type Table = Extract<Evidence, { kind: 'table' }>

/** Evidence of a ping: round trip times of all its echoes in ms, as `samples` of this name. */
export const ROUND_TRIPS = 'round trip times'

export type Echo = Readonly<Record<'sent' | 'received' | 'min ms' | 'avg ms' | 'max ms', number | null>>

/** The rows of the table that every ping leaves. */
export function echoesOf({ evidence }: Pick<Result, 'evidence'>): Echo[] {
  const table = evidence.find((item): item is Table => item.kind === 'table' && item.name === 'echoes')
  return (table?.rows ?? []).map((row) => Object.fromEntries(row.map((cell, i) => [table?.columns[i], cell])) as Echo)
}

/** Echo requests without a reply, over all targets of a check. */
export function lossOf(result: Pick<Result, 'evidence'>): Share {
  const echoes = echoesOf(result)
  const sum = (column: 'sent' | 'received') => echoes.reduce((total, echo) => total + (Number(echo[column]) || 0), 0)
  const sent = sum('sent')
  return { sent, lost: Math.max(0, sent - sum('received')) }
}

export const roundTripsOf = (result: Pick<Result, 'evidence'>): number[] => samplesOf(result, [ROUND_TRIPS])

/** Times to the answers of DNS queries, ms; empty for other checks. */
export const dnsTimesOf = (result: Pick<Result, 'evidence' | 'file'>): number[] =>
  /(?:^|[/\\])dns-[^/\\]*$/.test(result.file) ? samplesOf(result, ['time to answer', 'time to both answers']) : []

function samplesOf({ evidence }: Pick<Result, 'evidence'>, names: readonly string[]): number[] {
  return evidence.flatMap((item) =>
    item.kind === 'samples' && item.unit === 'ms' && names.includes(item.name)
      ? item.values.filter((value) => Number.isFinite(value))
      : [],
  )
}

/** Bytes; the least of several paths; null: not measured, or of one of them not known. */
export function pathMtuOf({ evidence }: Pick<Result, 'evidence'>): number | null {
  const measured = evidence.flatMap((item) => (item.kind === 'path' && item.mtu ? [item.mtu.measured] : []))
  const known = measured.filter((mtu) => typeof mtu === 'number')
  return known.length > 0 && known.length === measured.length ? Math.min(...known) : null
}
