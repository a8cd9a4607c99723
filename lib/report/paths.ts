/** The paths whose MTU was measured, one row a path and family, as every renderer shows them. Pure. */
import type { Place, Result, Verdict } from '../types.ts'
import { isMeasured, type MeasuredPath, measuredText, signallerText } from './evidence.ts'
import { familyOf, inOrder, questionText } from './model.ts'
import { oneLine } from './text.ts'

export interface PathRow {
  readonly result: Result
  readonly path: MeasuredPath
  readonly place: Place
  /** Where the path leads. */
  readonly to: string
  /** "IPv4", "IPv6" or "-". */
  readonly family: string
  readonly promised: string
  /** Bytes, or "unknown". */
  readonly measured: string
  /** An address, or "nobody" where somebody should have; null: there was nothing to say. */
  readonly signalledBy: string | null
  readonly verdict: Verdict
}

export const pathRows = (results: readonly Result[]): PathRow[] => inOrder(results).flatMap(rowsOf)

function rowsOf(result: Result): PathRow[] {
  const paths = result.evidence.filter(isMeasured)
  const family = familyOf(result)
  const whole = oneLine(questionText(result).replace(/^full-size packets reach /, ''), 120)
  return paths.map((path) => ({
    result,
    path,
    place: result.place,
    // the only path of a check is what the check is about; of several each tells its name
    to: paths.length === 1 ? whole : `${whole}, ${oneLine(path.name, 60)}`,
    family: family ? `IPv${family}` : '-',
    promised: `${path.mtu.promised}`,
    measured: measuredText(path.mtu),
    signalledBy: signallerText(path),
    verdict: result.verdict,
  }))
}
