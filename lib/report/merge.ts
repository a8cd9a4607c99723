/** The command behind `npm run merge`: the JSON reports of many nodes in, one JUnit file or one HTML page out. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Report } from '../types.ts'
import { reasonOf, replaceFile } from './files.ts'
import { toMergedHtml } from './html-merged.ts'
import { asReport } from './json.ts'
import { toMergedJUnit } from './junit.ts'
import { count } from './text.ts'

const USAGE = `usage: npm run merge -- [--output FILE] reports/report-*.json
Writes one file of many nodes' reports: an HTML page where FILE ends in .html, else JUnit, the node in suite and class name.
Default: junit-merged.xml beside the first report.`

class Refused extends Error {}

/** The exit code: 0, or 2 with a sentence on standard error; then nothing was written. */
export function main(args: readonly string[]): 0 | 2 {
  try {
    const { output, inputs } = parsed(args)
    const reports = inputs.map(reportIn).toSorted((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0))
    write(output, /\.html?$/i.test(output) ? toMergedHtml(reports) : toMergedJUnit(reports))
    const cases = reports.reduce((sum, { results }) => sum + results.length, 0)
    process.stdout.write(`${output}: ${count(cases, 'check')} of ${count(reports.length, 'report')}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    process.stderr.write(`${error.message}\n`)
    return 2
  }
}

function parsed(args: readonly string[]): { output: string; inputs: readonly string[] } {
  const flag = args.indexOf('--output')
  const given = flag < 0 ? undefined : args[flag + 1]
  const inputs = flag < 0 ? args : args.toSpliced(flag, 2)
  const [first] = inputs
  if (first === undefined || (flag >= 0 && given === undefined) || inputs.some((path) => path.startsWith('-'))) {
    throw new Refused(USAGE)
  }
  return { output: given ?? join(dirname(first), 'junit-merged.xml'), inputs }
}

function reportIn(path: string): Report {
  let data: unknown
  try {
    data = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'it does not exist' : code ? reasonOf(error as Error) : 'it is not JSON'
    throw new Refused(`${path} cannot be read: ${reason}; nothing was written`)
  }
  const report = asReport(data)
  if (report === null) throw new Refused(`${path} is no report of k8snetlook, schema 1; nothing was written`)
  return report
}

function write(path: string, text: string): void {
  try {
    replaceFile(path, text)
  } catch (error) {
    throw new Refused(`${path} cannot be written: ${reasonOf(error as NodeJS.ErrnoException)}`)
  }
}
