/** What a judgement of state says: plain data, turned into a check's verdict by lib/question. */
import type { Code, Evidence } from '../../types.ts'

export type StateVerdict =
  | { readonly is: 'fine'; readonly detail: string; readonly evidence: readonly Evidence[] }
  | {
      /** `doubtful`: a warning. */
      readonly is: 'broken' | 'doubtful'
      readonly code: Code
      readonly detail: string
      /** What to do, with commands to copy in backticks. */
      readonly hint: string
      readonly evidence: readonly Evidence[]
    }
  | { readonly is: 'not-applicable'; readonly need: string; readonly finding: string }

export const notApplicable = (need: string, finding: string): StateVerdict => ({ is: 'not-applicable', need, finding })

export const fine = (detail: string, evidence: readonly Evidence[] = []): StateVerdict => ({
  is: 'fine',
  detail,
  evidence,
})

/** A table of what was compared, or nothing when there are no rows. Capped: a report is read by people. */
export function table(name: string, columns: readonly string[], rows: readonly (readonly (string | number)[])[]) {
  const MOST_ROWS = 50
  const omitted = rows.length - MOST_ROWS
  const all: Evidence = { kind: 'table', name, columns, rows: rows.slice(0, MOST_ROWS) }
  return rows.length === 0 ? [] : [omitted > 0 ? { ...all, omitted } : all]
}

/** "a, b and 3 more" */
export function listed(names: readonly string[], most = 4): string {
  const more = names.length - most
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ')
}
