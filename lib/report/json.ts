/** The report as data, schema 1: `Report` of lib/types.ts. */
import type { Report } from '../types.ts'
import { settled } from './model.ts'

/** What was read from somebody's report of schema 1; null: it is none. Pipelines keep reports for long, and of other tools too. */
export function asReport(data: unknown): Report | null {
  const { schema, tool, node, results } = (data ?? {}) as Partial<Report>
  const isOurs = tool?.name === 'k8snetlook' && schema === 1 && typeof node === 'string' && Array.isArray(results)
  return isOurs ? (data as Report) : null
}

/** JSON text with a final newline; every string in it is safe to print. Of many nodes it is one line: blanks would double it. */
export const toJson = (report: Report): string => `${JSON.stringify(settled(report), null, report.cluster ? 0 : 2)}\n`
