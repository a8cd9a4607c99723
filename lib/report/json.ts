/** The report as data, schema 1: `Report` of lib/types.ts. */
import type { Report } from '../types.ts'
import { settled } from './model.ts'

/** JSON text with a final newline; every string in it is safe to print. Of many nodes it is one line: blanks would double it. */
export const toJson = (report: Report): string => `${JSON.stringify(settled(report), null, report.cluster ? 0 : 2)}\n`
