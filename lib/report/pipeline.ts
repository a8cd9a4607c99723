/** What a run says to the pipeline that it is a step of: annotations, and sections that fold. Pure. */
import { CODES } from '../diagnose/codes.ts'
import type { Pipeline } from '../settings.ts'
import type { Report, Result } from '../types.ts'
import { worseText } from './comparison.ts'
import { changeOf, explainedBy, problemsOf, runProblems, settled, standingOf, unexplained } from './model.ts'
import { count, oneLine } from './text.ts'

/** GitHub shows ten errors and ten warnings of a step. */
const ANNOTATIONS = 10

/** Opens and closes a section of the log; empty where a log knows none. */
export interface Section {
  readonly open: string
  readonly close: string
}

/** `seconds` since 1970: GitLab shows how long a section took. */
export function sectionOf(kind: Pipeline['kind'] | undefined, title: string): (seconds: number) => Section {
  if (kind === 'github') return () => ({ open: `::group::${title}\n`, close: '::endgroup::\n' })
  if (kind !== 'gitlab') return () => ({ open: '', close: '' })
  const name = `k8snetlook_${title.toLowerCase().replace(/\W+/g, '_')}`
  return (seconds) => ({
    open: `\u001b[0Ksection_start:${seconds}:${name}[collapsed=true]\r\u001b[0K${title}\n`,
    close: `\u001b[0Ksection_end:${seconds}:${name}\r\u001b[0K\n`,
  })
}

/** Workflow commands of GitHub, one for each cause, roots first, then for what no finding explains. */
export function annotations(report: Report): string[] {
  const shown = settled(report)
  const excused = (results: readonly Result[]) =>
    results.every((result) => result.verdict !== 'fail' || changeOf(shown, result)?.excused)
  const titled = (title: string, results: readonly Result[]) => {
    const standing = standingOf(shown, results)
    return standing === '' ? title : `${title}, ${standing}`
  }
  const causes = explainedBy(shown).map(({ finding, results, verdict }) =>
    command(
      verdict === 'warn' || excused(results) ? 'warning' : 'error',
      { file: results[0]?.file, title: titled(`${finding.code} (${finding.confidence})`, results) },
      `${oneLine(finding.cause, 1200)}\nDo: ${oneLine(finding.remedy, 1200)}\nExplains ${count(results.length, 'check')}.`,
    ),
  )
  const problems = (['fail', 'inconclusive', 'warn'] as const).flatMap((verdict) =>
    problemsOf(unexplained(shown), verdict).map(({ code, means, remedy, seen, results }) =>
      command(
        verdict === 'warn' || (verdict === 'fail' && excused(results)) ? 'warning' : 'error',
        { file: results[0]?.file, title: titled(code, results) },
        `${oneLine(seen ?? means, 1200)}\nDo: ${oneLine(remedy, 1200)}\n${count(results.length, 'check')}.`,
      ),
    ),
  )
  const broken = runProblems(shown).map(({ code, message, file }) =>
    command('error', { file, title: code }, `${oneLine(message, 1200)}\nDo: ${CODES[code]?.remedy ?? ''}`),
  )
  const worse = (shown.comparison?.worse ?? []).map((one) => {
    const file = shown.results.find(({ id }) => id === one.id)?.file
    const said = `${worseText(one)}\nDo: ${CODES[one.code]?.remedy ?? ''}`
    return command(shown.comparison?.gate ? 'error' : 'warning', { file, title: one.code }, said)
  })
  const all = [...causes, ...problems, ...worse, ...broken]
  return (['error', 'warning'] as const).flatMap((level) =>
    all.filter((line) => line.startsWith(`::${level} `)).slice(0, ANNOTATIONS),
  )
}

function command(
  level: 'error' | 'warning',
  { file, title }: { file?: string | undefined; title: string },
  text: string,
) {
  const properties = [...(file ? [`file=${property(file)}`] : []), `title=${property(title)}`]
  return `::${level} ${properties.join(',')}::${data(text)}`
}

/** Escapes of actions/toolkit (core, command.ts). */
const data = (text: string): string => text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')
const property = (text: string): string => data(text).replace(/:/g, '%3A').replace(/,/g, '%2C')

/**
 * Log services run what a line says to them (`::add-mask::` of GitHub, `##[...]` and `##vso[...]` of Azure, `##teamcity[...]`):
 * what a cluster says must not.
 */
export const mute = (text: string): string =>
  text.replace(/^(\s*):(?=:)/gm, '$1: ').replace(/##(?=(?:vso|teamcity)?\[)/g, '# #')
