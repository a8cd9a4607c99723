/** What the renderers share: the verdict of a run, the order of results, and problems grouped by cause. Pure. */
import { CODES, rankOf } from '../diagnose/codes.ts'
import type { Change, Code, Comparison, Family, Finding, Report, Result, RunError, Scope, Verdict } from '../types.ts'
import { count, presentable } from './text.ts'

export const VERDICTS = ['fail', 'warn', 'inconclusive', 'pass', 'not-applicable'] as const satisfies readonly Verdict[]

/**
 * Verdict and exit code of a run, the first that holds: any fail that is not excused, an expired waiver, or where the gate asks for
 * it anything worse than before is 1, whatever else happened; anything inconclusive, an error around the checks, or nothing
 * executed is 2; else 0, and amber while known failures are left.
 */
export function verdictOf(
  results: readonly Result[],
  errors: readonly RunError[],
  comparison?: Comparison,
): { verdict: Report['verdict']; exitCode: Report['exitCode'] } {
  const counts = countVerdicts(results)
  const excused = comparison?.changes.filter((change) => change.excused).length ?? 0
  const worse = comparison?.gate ? comparison.worse.length : 0
  if (counts.fail > excused || errors.some(isFailure) || worse > 0) return { verdict: 'fail', exitCode: 1 }
  const executed = results.length - counts['not-applicable']
  if (counts.inconclusive > 0 || errors.length > 0 || executed === 0) return { verdict: 'inconclusive', exitCode: 2 }
  return { verdict: counts.warn + counts.fail > 0 ? 'warn' : 'pass', exitCode: 0 }
}

/** An error around the checks that fails the run: an expired waiver. */
export const isFailure = ({ code }: RunError): boolean => CODES[code]?.kind === 'fail'

/** How a result stands beside earlier runs and waivers; undefined: as before, or nothing was compared. */
export const changeOf = ({ comparison }: Report, { id }: Result): Change | undefined =>
  comparison?.changes.find((change) => change.id === id)

/** "new", "known", "1 new, 2 known": how those of `results` that failed stand beside before; '' where nothing was compared. */
export function standingOf(report: Report, results: readonly Result[]): string {
  const failed = results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')
  const statuses = failed.map((result) => changeOf(report, result)?.status)
  const parts = (['new', 'known'] as const).flatMap((status) => {
    const times = statuses.filter((one) => one === status).length
    return times === 0 ? [] : [times === failed.length ? status : `${times} ${status}`]
  })
  return parts.join(', ')
}

export function countVerdicts(results: readonly Result[]): Record<Verdict, number> {
  const counts = { fail: 0, warn: 0, inconclusive: 0, pass: 0, 'not-applicable': 0 }
  for (const { verdict } of results) counts[verdict]++
  return counts
}

/** Places in the order of reading. */
const PLACES: readonly Scope[] = ['cluster', 'node', 'pod']

/** Host checks first, then by file (the preflight before the others) and name. */
export function inOrder(results: readonly Result[]): Result[] {
  const key = (r: Result) =>
    `${PLACES.indexOf(r.place)}\n${baseName(r.file) === 'preflight' ? 0 : 1}\n${r.file}\n${r.name}`
  return results
    .map((result) => ({ result, key: key(result) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ result }) => result)
}

/** checks/pod/dns-service.test.ts -> dns-service */
export const baseName = (file: string): string =>
  file.replace(/^.*[/\\]/, '').replace(/\.(?:test|spec)\.[cm]?[jt]sx?$/, '') || 'unknown'

/** The name without family and place. */
export const questionText = ({ name }: Result): string =>
  name.replace(/, (?:from the (?:node|pod)|over all nodes)$/, '').replace(/ over IPv[46]$/, '')

/** A check that was lost has no record, but its name tells the family. */
export function familyOf({ family, name }: Result): Family | undefined {
  const named = / over IPv([46])/.exec(name)?.[1]
  return family ?? (named === undefined ? undefined : named === '4' ? 4 : 6)
}

/** Three renderers show the same report: it is made ready once. */
const ready = new WeakMap<Report, Report>()

/** A report as every renderer shows it: foreign text harmless, results in order, and an unfinished run never green. */
export function settled(report: Report): Report {
  const known = ready.get(report)
  if (known) return known
  const clean = presentable(report)
  const shown = {
    ...clean,
    results: inOrder(clean.results),
    ...verdictOf(clean.results, runProblems(clean), clean.comparison),
  }
  ready.set(report, shown)
  return shown
}

/** What broke around the checks, with the two that follow from the report itself: unfinished, and nothing asked. */
export function runProblems(report: Report): RunError[] {
  const problems = [...report.errors]
  if (report.state === 'incomplete' && !problems.some(({ code }) => code === 'RUN_INTERRUPTED')) {
    problems.push({ code: 'RUN_INTERRUPTED', message: 'the report is incomplete: the run has not ended in order' })
  }
  if (report.state === 'complete' && problems.length === 0 && countAnswered(report.results) === 0) {
    problems.push({ code: 'NOTHING_RAN', message: 'no check gave an answer' })
  }
  return problems
}

const countAnswered = (results: readonly Result[]): number =>
  results.filter(({ verdict }) => verdict !== 'not-applicable').length

/** Checks with one cause and one remedy. */
export interface Problem {
  readonly code: Code
  readonly means: string
  readonly remedy: string
  /** What was seen, when all of `results` saw the same; else each result tells its own. */
  readonly seen: string | null
  readonly results: readonly Result[]
}

/**
 * The results of a verdict, grouped so that nothing is said twice: what could not be looked at by its reason (20 checks may miss
 * the same fact), the others by what to do.
 */
export function problemsOf(results: readonly Result[], verdict: 'fail' | 'warn' | 'inconclusive'): Problem[] {
  const groups = new Map<string, Result[]>()
  for (const result of inOrder(results)) {
    if (result.verdict !== verdict) continue
    const key = JSON.stringify([result.code, verdict === 'inconclusive' ? result.seen : remedyOf(result)])
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  return [...groups.values()].map(problemOf).sort((a, b) => rankOf(a.code) - rankOf(b.code))
}

function problemOf(results: readonly Result[]): Problem {
  const [first] = results as readonly [Result]
  const code = first.code ?? 'CHECK_CRASHED'
  const seen = results.every((result) => result.seen === first.seen) ? first.seen : null
  const remedy = remedyOf(results.find(({ hint }) => hint) ?? first)
  return { code, means: CODES[code]?.means ?? '', remedy, seen, results }
}

/** A finding with the results that follow from it. */
export interface Explained {
  readonly finding: Finding
  readonly results: readonly Result[]
  /** The worst of them. */
  readonly verdict: 'fail' | 'warn'
}

/** The findings of a report, roots first, each with its results in order. */
export function explainedBy({ findings, results }: Report): Explained[] {
  return findings.map((finding) => {
    const explained = new Set(finding.explains)
    const own = results.filter(({ id }) => explained.has(id))
    return { finding, results: own, verdict: own.some(({ verdict }) => verdict === 'fail') ? 'fail' : 'warn' }
  })
}

/** Results that no finding explains. */
export const unexplained = ({ results }: Report): Result[] => results.filter(({ findings }) => findings.length === 0)

/** What a check that fails itself names: a finding of its own code is no cause behind it. */
export const causesBehind = (result: Result, { findings }: Report): Finding[] =>
  findings.filter(({ id, code }) => result.findings.includes(id) && code !== result.code)

/** What to do next: what the check knows, else what the code says. */
export const remedyOf = (result: Result): string => result.hint ?? CODES[result.code ?? '']?.remedy ?? ''

/** Names of checks, each once for both families: "x over IPv4 and IPv6, from the pod". */
export function namesOf(results: readonly Result[]): string[] {
  const names = new Set(results.map(({ name }) => name))
  return [...names].flatMap((name) => {
    const [v4, v6] = ['IPv4', 'IPv6'].map((family) => name.replace(/ over IPv[46](?=,|$)/, ` over ${family}`)) as [
      string,
      string,
    ]
    if (v4 === v6 || !names.has(v4) || !names.has(v6)) return [name]
    return name === v4 ? [v4.replace(/ over IPv4(?=,|$)/, ' over IPv4 and IPv6')] : []
  })
}

/** "2 failed, 1 warning, 40 passed": the verdicts that occur, worst first. */
export function countsLine(results: readonly Result[]): string {
  const counts = countVerdicts(results)
  const words: Record<Verdict, string> = {
    fail: 'failed',
    warn: counts.warn === 1 ? 'warning' : 'warnings',
    inconclusive: 'inconclusive',
    pass: 'passed',
    'not-applicable': 'not applicable',
  }
  const parts = VERDICTS.filter((verdict) => counts[verdict] > 0).map(
    (verdict) => `${counts[verdict]} ${words[verdict]}`,
  )
  return parts.join(', ') || 'no check gave an answer'
}

function failedSentence(report: Report): string {
  const { comparison, results, errors } = report
  const failed = results.filter((result) => result.verdict === 'fail' && !changeOf(report, result)?.excused)
  const codes = [...new Set(problemsOf(failed, 'fail').map(({ code }) => code))].join(', ')
  const worse = comparison?.gate ? comparison.worse : []
  const expired = errors.filter(isFailure)
  const sentences = [
    ...(failed.length > 0
      ? [`${count(failed.length, 'check')} failed${comparison?.gate ? ' that did not before' : ''}: ${codes}.`]
      : []),
    ...(worse.length > 0
      ? [
          `Worse than before: ${[...new Set(worse.map(({ code }) => code))].join(', ')} (${count(worse.length, 'time')}).`,
        ]
      : []),
    ...(expired.length > 0 ? [`${count(expired.length, 'waiver')} ran out: WAIVER_EXPIRED.`] : []),
    ...(results.some((result) => changeOf(report, result)?.excused) ? [knownSentence(report)] : []),
  ]
  return sentences.join(' ')
}

/** Of failures that do not fail the run. */
function knownSentence({ comparison }: Report): string {
  const excused = comparison?.changes.filter((change) => change.excused) ?? []
  const waived = excused.filter(({ waiver }) => waiver).length
  const which = waived === 0 ? '' : waived === excused.length ? ', waived' : `, ${waived} of them waived`
  return `${count(excused.length, 'known failure')}${which}: ${[...new Set(excused.map(({ code }) => code))].join(', ')}.`
}

/** One sentence that stands at the head of every report. */
export function headline(report: Report): string {
  const counts = countVerdicts(report.results)
  const unfinished = report.state === 'incomplete' ? ' The run is incomplete: what is missing was not asked.' : ''
  if (report.verdict === 'fail') return `${failedSentence(report)}${unfinished}`
  if (report.state === 'incomplete') return `No verdict.${unfinished}`
  if (report.verdict === 'inconclusive') {
    if (countAnswered(report.results) === 0) return 'No verdict: nothing was asked.'
    if (counts.inconclusive === 0) return 'No verdict: the run itself broke.'
    return `No verdict: ${counts.inconclusive} of ${report.results.length} questions could not be answered; ${counts.fail > 0 ? knownSentence(report) : 'no failure was seen.'}`
  }
  if (counts.fail > 0) return `Nothing failed that is not excused. ${knownSentence(report)}`
  const fine =
    report.verdict === 'warn'
      ? 'Nothing failed, but read the warnings'
      : 'Every question that applies was answered well'
  return `${fine}.`
}
