/** The report for a terminal or a log: words first, colour only if asked, no cursor movement. */
import { CODES } from '../diagnose/codes.ts'
import type { Change, Report, Result, RunError, Verdict } from '../types.ts'
import { answeredText } from './cluster.ts'
import { comparisonParts, comparisonSentence } from './comparison.ts'
import {
  countsLine,
  type Explained,
  explainedBy,
  headline,
  namesOf,
  type Problem,
  problemsOf,
  runProblems,
  settled,
  standingOf,
  unexplained,
} from './model.ts'
import { type PathRow, pathRows } from './paths.ts'
import { count, oneLine, presentable } from './text.ts'

/** Texts are broken at this column; a terminal that is narrower breaks them once more, harmlessly. */
const WIDTH = 100
/** Longer addresses leave the table of paths too little room. */
const SIGNALLER_WIDTH = 19
/** Names that one problem lists before it counts the rest. */
const LISTED = 12
/** Lines of one part of the comparison. */
const COMPARED = 20

/** Select Graphic Rendition codes of ECMA-48. */
const STYLE: Record<Verdict | 'bold' | 'dim', string> = {
  pass: '32',
  warn: '33',
  fail: '31;1',
  inconclusive: '35',
  'not-applicable': '2',
  bold: '1',
  dim: '2',
}

const WORD: Record<Verdict, string> = {
  pass: 'pass',
  warn: 'WARN',
  fail: 'FAIL',
  inconclusive: 'inconclusive',
  'not-applicable': 'n/a',
}
const WORD_WIDTH = Math.max(...Object.values(WORD).map((word) => word.length))

type Paint = (style: keyof typeof STYLE, text: string) => string
const painter =
  (colour: boolean): Paint =>
  (style, text) =>
    colour ? `\u001b[${STYLE[style]}m${text}\u001b[0m` : text

/** One line: verdict, how it stands beside earlier runs where that is known, name, and what was seen. */
export function checkLine(result: Result, colour: boolean, change?: Change): string {
  const paint = painter(colour)
  const { verdict, name, code, seen, seconds } = presentable(result)
  const bad = verdict === 'fail' || verdict === 'warn'
  const mark = bad && (change?.status === 'new' || change?.status === 'known') ? ` ${change.status}` : ''
  const shownCode = code && verdict !== 'pass' ? `${code}: ` : ''
  const reason = seen || shownCode ? `  ${shownCode}${oneLine(seen, 200)}` : ''
  const time = seconds >= 1 ? `  (${seconds.toFixed(1)} s)` : ''
  const quiet = verdict === 'pass' || verdict === 'not-applicable'
  const tail = `${reason}${time}`
  const word = `${WORD[verdict]}${mark}`.padEnd(WORD_WIDTH)
  return `${paint(change?.excused ? 'warn' : verdict, word)}  ${oneLine(name)}${quiet && tail ? paint('dim', tail) : tail}`
}

/**
 * The end of a run: the causes of what failed, each with its proof in short, its remedy and what follows from it; what could not
 * be looked at; what broke around the checks; the measured paths; counts, the paths of the reports, and the verdict.
 */
export function summary(report: Report, paths: readonly string[], colour: boolean): string {
  const shown = settled(report)
  const paint = painter(colour)
  const why = whySection(shown, paint)
  const rest = [
    section(shown, 'fail', 'What failed', paint),
    section(shown, 'warn', 'Warnings', paint),
    section(shown, 'inconclusive', 'What could not be looked at', paint),
    runSection(shown, paint),
    comparisonSection(shown, paint),
    pathSection(shown, paint),
  ]
  // over all nodes the rest may be long: what they have in common stands where the eye is
  const sections = [
    ...(shown.cluster ? [...rest, why] : [why, ...rest]),
    facts(shown, paths),
    verdictLine(shown, paint),
  ]
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function whySection(report: Report, paint: Paint): string[] {
  const all = explainedBy(report)
  if (all.length === 0) return []
  const explained = new Set(all.flatMap(({ results }) => results)).size
  const title = `Why: ${count(all.length, 'cause')} of ${count(explained, 'check')} that ${explained === 1 ? 'is' : 'are'} not green`
  return [
    paint('bold', title),
    ...all.flatMap((one, index) => ['', ...causeLines(one, index + 1, standingOf(report, one.results), paint)]),
  ]
}

function causeLines({ finding, results, verdict }: Explained, place: number, standing: string, paint: Paint): string[] {
  const { code, cause, confidence, remedy, hides, again } = finding
  const followers = namesOf(results.filter((result) => result.code !== code))
  const named = followers.slice(0, LISTED)
  const more = followers.length - named.length
  return [
    paint(verdict, `${place}. ${WORD[verdict]} ${code} (${[confidence, standing].filter(Boolean).join(', ')})`),
    ...labelled('cause', cause),
    ...labelled('do', remedy),
    ...(hides ? labelled('hidden', `${hides}: not to be seen until this is mended`) : []),
    ...(named.length > 0
      ? [
          ...labelled('follows', count(results.filter((result) => result.code !== code).length, 'check')),
          ...named.flatMap((name) => wrap(name, '             - ', '               ')),
          ...(more > 0 ? [`             - and ${more} more`] : []),
        ]
      : []),
    // one line to copy: never broken
    `    again:   ${oneLine(again, 1000)}`,
  ]
}

function section(report: Report, verdict: 'fail' | 'warn' | 'inconclusive', title: string, paint: Paint): string[] {
  const problems = problemsOf(unexplained(report), verdict)
  if (problems.length === 0) return []
  const checks = problems.reduce((sum, { results }) => sum + results.length, 0)
  const lines = problems.flatMap((problem) => [
    '',
    ...problemLines(problem, verdict, standingOf(report, problem.results), paint),
  ])
  return [paint('bold', `${title}: ${count(checks, 'check')}`), ...lines]
}

function problemLines(
  problem: Problem,
  verdict: 'fail' | 'warn' | 'inconclusive',
  standing: string,
  paint: Paint,
): string[] {
  const { code, means, remedy, seen, results } = problem
  const checks =
    seen === null ? results.map((r) => [r.name, r.seen] as const) : namesOf(results).map((n) => [n, ''] as const)
  const listed = checks.slice(0, LISTED)
  const omitted = checks.length - listed.length
  const list = [
    ...listed.flatMap(([name, own]) => [
      ...wrap(name, '    - ', '      '),
      ...(own ? wrap(oneLine(own), '      ', '      ') : []),
    ]),
    ...(omitted > 0 ? [`    - and ${omitted} more`] : []),
  ]
  const reasons = [
    ...(seen ? labelled('seen', seen) : []),
    ...(means && verdict === 'fail' ? labelled('means', means) : []),
    ...(remedy ? labelled('do', remedy) : []),
  ]
  // one reason for many checks comes before them; what each saw by itself stands with its name
  const reasonFirst = seen !== null && results.length > 1
  const head = `${WORD[verdict]} ${code}${standing === '' ? '' : ` (${standing})`}`
  return [paint(verdict, head), ...(reasonFirst ? [...reasons, ...list] : [...list, ...reasons])]
}

function runSection(report: Report, paint: Paint): string[] {
  const problems = runProblems(report)
  if (problems.length === 0) return []
  const codes = [...new Set(problems.map(({ code }) => code))]
  return [
    paint('bold', 'What went wrong around the checks'),
    ...codes.flatMap((code) => [
      '',
      paint('inconclusive', code),
      ...messagesOf(problems.filter((problem) => problem.code === code)).flatMap((seen) => labelled('seen', seen)),
      ...(CODES[code] ? labelled('do', CODES[code].remedy) : []),
    ]),
  ]
}

/** What many files met is said once. */
function messagesOf(problems: readonly RunError[]): string[] {
  const times = new Map<string, number>()
  for (const { message } of problems) times.set(message, (times.get(message) ?? 0) + 1)
  return [...times].map(([message, files]) => (files === 1 ? message : `${message} (in ${files} files)`))
}

function comparisonSection(report: Report, paint: Paint): string[] {
  if (!report.comparison) return []
  return [
    paint('bold', 'Beside earlier runs'),
    ...wrap(comparisonSentence(report.comparison), '    ', '    '),
    ...comparisonParts(report).flatMap(({ title, lines, remedies }) => {
      const more = lines.length - COMPARED
      return [
        '',
        `    ${title}: ${lines.length}`,
        ...lines.slice(0, COMPARED).flatMap(({ code, text }) => {
          return wrap(oneLine(code ? `${code}: ${text}` : text, 600), '    - ', '      ')
        }),
        ...(more > 0 ? [`    - and ${more} more, in the JSON report`] : []),
        ...remedies.flatMap((remedy) => labelled('do', remedy)),
      ]
    }),
  ]
}

const PATH_COLUMNS = ['path', 'family', 'promised', 'measured', 'signalled by', 'verdict'] as const
type PathCells = readonly [string, string, string, string, string, string]

/** A row for each measured path and family; what is too long for its column takes more lines, so that all stay within WIDTH. */
function pathSection(report: Report, paint: Paint): string[] {
  const rows = pathRows(report.results)
  if (rows.length === 0) return []
  const cells = rows.map(pathCells)
  const [longest, ...widths] = PATH_COLUMNS.map((name, column) =>
    Math.max(name.length, ...cells.map((row) => (row[column] as string).length)),
  ) as [number, ...number[]]
  const wide = [Math.min(longest, WIDTH - widths.reduce((sum, width) => sum + 2 + width, 4)), ...widths]
  const lines = rows.flatMap((row, index) => {
    const [path, ...figures] = cells[index] as PathCells
    const [first, ...rest] = wrap(path, '', '', wide[0]).map((line) => oneLine(line, wide[0])) as [string, ...string[]]
    const by = isLong(row.signalledBy) ? [`  signalled by ${oneLine(row.signalledBy, 80)}`] : []
    return [pathLine([first, ...figures], wide, (word) => paint(row.verdict, word)), ...[...rest, ...by].map(indented)]
  })
  return [paint('bold', 'Path MTU, bytes'), pathLine(PATH_COLUMNS, wide, (word) => word), ...lines]
}

function pathCells({ from, to, family, promised, measured, signalledBy, verdict }: PathRow): PathCells {
  const by = isLong(signalledBy) ? 'see below' : (signalledBy ?? '-')
  return [`${from} -> ${to}`, family, promised, measured, by, WORD[verdict]]
}

/** An address that would widen the column for all rows has a line of its own. */
const isLong = (signaller: string | null): signaller is string => (signaller?.length ?? 0) > SIGNALLER_WIDTH

/** Cells side by side, numbers to the right; the last one is painted. */
function pathLine(cells: PathCells, widths: readonly number[], paintLast: (word: string) => string): string {
  const figures = cells.slice(0, -1).map((cell, column) => {
    const width = widths[column] as number
    return /^\d+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
  })
  return indented([...figures, paintLast(cells[5])].join('  '))
}

const indented = (line: string): string => `    ${line}`

function facts(report: Report, paths: readonly string[]): string[] {
  const source = report.source
    ? `, pod ${report.source.namespace}/${report.source.name} (${report.source.foundBy})`
    : ''
  const { cluster } = report
  return [
    ...labelled('asked', cluster ? answeredText(cluster) : `from node ${report.node}${source}`),
    ...labelled('counts', countsLine(report.results)),
    // a path is one word to copy: never broken
    ...paths.map((path, index) => `    ${(index === 0 ? 'reports:' : '').padEnd(9)}${path}`),
  ]
}

function verdictLine(report: Report, paint: Paint): string[] {
  const word = report.verdict === 'inconclusive' ? 'INCONCLUSIVE' : WORD[report.verdict].toUpperCase()
  const text = `${word}, exit code ${report.exitCode}: ${headline(report)}`
  return wrap(text, '', '').map((line) => paint(report.verdict, line))
}

const labelled = (label: string, text: string): string[] =>
  wrap(oneLine(text, 1200), `    ${`${label}:`.padEnd(9)}`, ' '.repeat(13))

/** Breaks at blanks; a word that is longer than a line stays whole, so that it can be copied. */
function wrap(text: string, first: string, rest: string, width = WIDTH): string[] {
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line)
      line = rest
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line]
}
