/** Evidence as plain lines of text, for JUnit and the terminal. */
import type { Evidence, Hop, PathMtuFigures, Target } from '../types.ts'
import { oneLine } from './text.ts'

type Table = Extract<Evidence, { kind: 'table' }>
type Path = Extract<Evidence, { kind: 'path' }>
/** A path whose MTU was measured. */
export type MeasuredPath = Path & { readonly mtu: PathMtuFigures }
type Cell = Table['rows'][number][number]

/** At most three decimals, no exponent, no trailing zeros. */
export const formatNumber = (value: number): string =>
  Number.isFinite(value) ? value.toFixed(3).replace(/\.?0+$/, '') : String(value)

export function formatCell(value: Cell): string {
  if (value === null) return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'number' ? formatNumber(value) : oneLine(value)
}

/** "20 samples, min 0.1, avg 0.2, max 0.9 ms" */
export function formatSamples(values: readonly number[], unit: string): string {
  if (values.length === 0) return 'no samples'
  const { low, mean, high } = spreadOf(values)
  const [min, avg, max] = [low, mean, high].map(formatNumber)
  return `${values.length} samples, min ${min}, avg ${avg}, max ${max} ${unit}`
}

/** Smallest, mean and largest of at least one value. */
export function spreadOf(values: readonly number[]): { low: number; mean: number; high: number } {
  let [low, high, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
    sum += value
  }
  return { low, mean: sum / values.length, high }
}

export function formatHop(hop: Hop): string {
  const mtu = hop.mtu === undefined ? undefined : `mtu ${hop.mtu}`
  const stops = hop.stops ? 'larger packets go no further' : undefined
  const about = [hop.address, mtu, hop.note, stops].filter(Boolean).join(', ')
  return oneLine(about ? `${hop.name} (${about})` : hop.name)
}

export const isMeasured = (item: Evidence): item is MeasuredPath => item.kind === 'path' && item.mtu !== undefined

export const measuredText = ({ measured }: PathMtuFigures): string => (measured === null ? 'unknown' : `${measured}`)

/** Who said that larger packets do not fit; "nobody" only where somebody should have; null: there was nothing to say. */
export function signallerText({ mtu, hops }: MeasuredPath): string | null {
  const { promised, measured, signalledBy } = mtu
  const due = (measured !== null && measured < promised) || hops.some(({ stops }) => stops)
  return signalledBy ?? (due ? 'nobody' : null)
}

/** "promised 1500, measured 1400, signalled by 198.51.100.1" */
export function figuresText(path: MeasuredPath): string {
  const signaller = signallerText(path)
  const by = signaller === null ? '' : `, signalled by ${signaller}`
  return oneLine(`promised ${path.mtu.promised}, measured ${measuredText(path.mtu)}${by}`)
}

/** The value of evidence in one line; a table tells only its size. */
export function evidenceValue(item: Evidence): string {
  if (item.kind === 'scalar') return `${formatCell(item.value)}${item.unit ? ` ${item.unit}` : ''}`
  if (item.kind === 'samples') return formatSamples(item.values, item.unit)
  if (isMeasured(item)) return `${figuresText(item)}: ${hopsText(item)}`
  if (item.kind === 'path') return hopsText(item)
  return `${item.rows.length + (item.omitted ?? 0)} rows`
}

const hopsText = ({ hops }: Path): string => hops.map(formatHop).join(' -> ')

/** The first `limit` rows of a table, and how many of all rows are left out. */
export function cappedRows(table: Table, limit: number): { rows: Table['rows']; omitted: number } {
  const rows = table.rows.slice(0, limit)
  return { rows, omitted: table.rows.length - rows.length + (table.omitted ?? 0) }
}

/** Evidence as text, one line an item, tables with at most `limit` rows. */
export function evidenceLines(evidence: readonly Evidence[], limit: number): string[] {
  return evidence.flatMap((item) => [
    `${oneLine(item.name)}: ${evidenceValue(item)}`,
    ...(item.kind === 'table' ? tableLines(item, limit) : []),
  ])
}

function tableLines(table: Table, limit: number): string[] {
  const { rows, omitted } = cappedRows(table, limit)
  const lines = [table.columns, ...rows].map((row) => `  ${row.map(formatCell).join(' | ')}`)
  return omitted > 0 ? [...lines, `  (${omitted} more rows left out)`] : lines
}

/** "dns replica coredns-x 198.51.100.7 port 53 udp, on node n1" */
export function formatTarget(target: Target): string {
  const port = target.port === undefined ? '' : ` port ${target.port}`
  const where = [target.node ? `on node ${target.node}` : '', target.zone ? `zone ${target.zone}` : ''].filter(Boolean)
  const name = target.name === target.address ? '' : ` ${target.name}`
  const text = `${target.role}${name} ${target.address}${port}${target.protocol ? ` ${target.protocol}` : ''}`
  return oneLine([text, ...where].join(', '))
}

/** Targets as text, at most `limit` of them. */
export function targetLines(targets: readonly Target[], limit: number): string[] {
  const lines = targets.slice(0, limit).map((target) => `asked: ${formatTarget(target)}`)
  const omitted = targets.length - lines.length
  return omitted > 0 ? [...lines, `(${omitted} more targets left out)`] : lines
}
