/** The paths whose MTU was measured, one row a path and family, as every renderer shows them. Pure. */
import type { Result, Verdict } from '../types.ts'
import { isMeasured, type MeasuredPath, measuredText, signallerText } from './evidence.ts'
import { familyOf, inOrder, questionText } from './model.ts'
import { oneLine } from './text.ts'

export interface PathRow {
  readonly result: Result
  readonly path: MeasuredPath
  /** Where the path begins and where it leads. */
  readonly from: string
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
  const [from, to] = endsOf(result)
  return paths.map((path) => ({
    result,
    path,
    from,
    // the only path of a check is what the check is about; of several each tells its name
    to: paths.length === 1 ? to : `${to}, ${oneLine(path.name, 60)}`,
    family: family ? `IPv${family}` : '-',
    promised: `${path.mtu.promised}`,
    measured: measuredText(path.mtu),
    signalledBy: signallerText(path),
    verdict: result.verdict,
  }))
}

/** "full-size packets reach X" leads from the place that asks to X, "full-size packets come back from X" the other way. */
function endsOf(result: Result): [from: string, to: string] {
  const asker = `the ${result.place}`
  const other = oneLine(questionText(result).replace(/^full-size packets (?:reach|come back from) /, ''), 120)
  return questionText(result).startsWith('full-size packets come back from ') ? [other, asker] : [asker, other]
}
