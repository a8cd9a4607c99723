/** The report for a ticket or a chat, as GitHub and GitLab read Markdown: the verdict, the causes with what to do, and what else is not green. */
import { CODES } from '../diagnose/codes.ts'
import type { Report, Verdict } from '../types.ts'
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
import { pathRows } from './paths.ts'
import { count, oneLine } from './text.ts'

/** Names that one cause lists before it counts the rest; the JSON report holds them all. */
const LISTED = 12
/** Measured paths that are shown. */
const PATHS = 24
/** Lines of one part of the comparison. */
const COMPARED = 40

const WORD: Record<Verdict, string> = {
  pass: 'PASS',
  warn: 'WARN',
  fail: 'FAIL',
  inconclusive: 'INCONCLUSIVE',
  'not-applicable': 'n/a',
}

/** Blocks with blank lines between them; what comes from a cluster is text there, whatever it holds. */
export function toMarkdown(report: Report): string {
  const shown = settled(report)
  const asked = shown.source ? `, asked from pod ${shown.source.namespace}/${shown.source.name} too` : ''
  const { cluster } = shown
  const what = cluster ? count(cluster.nodes.length, 'node') : `node ${escaped(oneLine(`${shown.node}${asked}`))}`
  const blocks = [
    `# ${WORD[shown.verdict]}: the network of ${what}`,
    `${escaped(headline(shown))} ${countsLine(shown.results)}.${cluster ? ` ${answeredText(cluster)}.` : ''}`,
    ...whyBlocks(shown),
    ...problemBlocks(shown, 'fail', 'What failed'),
    ...problemBlocks(shown, 'warn', 'Warnings'),
    ...problemBlocks(shown, 'inconclusive', 'What could not be looked at'),
    ...runBlocks(shown),
    ...comparisonBlocks(shown),
    ...pathBlocks(shown),
    footer(shown),
  ]
  return `${blocks.join('\n\n')}\n`
}

function whyBlocks(report: Report): string[] {
  const all = explainedBy(report)
  if (all.length === 0) return []
  return ['## Why', ...all.flatMap((one, index) => causeBlocks(one, index + 1, standingOf(report, one.results)))]
}

function causeBlocks({ finding, results, verdict }: Explained, place: number, standing: string): string[] {
  const { code, confidence, cause, remedy, hides, again } = finding
  return [
    `### ${place}. ${WORD[verdict]} ${span(code)} (${[confidence, standing].filter(Boolean).join(', ')})`,
    escaped(oneLine(cause, 1200)),
    `**Do:** ${withCommands(remedy)}`,
    ...(hides ? [`**Not to be seen until this is mended:** ${escaped(oneLine(hides))}`] : []),
    `**Explains ${count(results.length, 'check')}:**`,
    listed(namesOf(results)),
    `**Ask again:**`,
    fenced(again),
  ]
}

function problemBlocks(report: Report, verdict: 'fail' | 'warn' | 'inconclusive', title: string): string[] {
  const problems = problemsOf(unexplained(report), verdict)
  return problems.length === 0
    ? []
    : [`## ${title}`, ...problems.flatMap((problem) => problemLines(problem, standingOf(report, problem.results)))]
}

function problemLines({ code, means, remedy, seen, results }: Problem, standing: string): string[] {
  const names = seen === null ? results.map(({ name, seen: own }) => `${name}: ${oneLine(own, 200)}`) : namesOf(results)
  return [
    `### ${span(code)}${standing === '' ? '' : ` (${standing})`}`,
    ...(seen ? [escaped(oneLine(seen, 1200))] : []),
    listed(names),
    ...(means ? [`**It means:** ${withCommands(means)}`] : []),
    ...(remedy ? [`**Do:** ${withCommands(remedy)}`] : []),
  ]
}

function runBlocks(report: Report): string[] {
  const problems = runProblems(report)
  if (problems.length === 0) return []
  const lines = problems.map(({ code, message, file }) => {
    const where = file ? `${span(file)} ` : ''
    const remedy = CODES[code] ? ` **Do:** ${withCommands(CODES[code].remedy)}` : ''
    return `- ${where}${span(code)}: ${escaped(oneLine(message, 600))}${remedy}`
  })
  return ['## What went wrong around the checks', lines.join('\n')]
}

function comparisonBlocks(report: Report): string[] {
  if (!report.comparison) return []
  const parts = comparisonParts(report).flatMap(({ title, lines, remedies }) => {
    const more = lines.length - COMPARED
    const list = lines.slice(0, COMPARED).map(({ code, text }) => {
      return `- ${code ? `${span(code)} ` : ''}${escaped(oneLine(text, 600))}`
    })
    return [
      `### ${title}: ${lines.length}`,
      [...list, ...(more > 0 ? [`- and ${more} more`] : [])].join('\n'),
      ...remedies.map((remedy) => `**Do:** ${withCommands(remedy)}`),
    ]
  })
  return ['## Beside earlier runs', escaped(oneLine(comparisonSentence(report.comparison))), ...parts]
}

function pathBlocks(report: Report): string[] {
  const rows = pathRows(report.results)
  if (rows.length === 0) return []
  const shown = rows.slice(0, PATHS).map((row) => {
    const cells = [`${row.from} to ${row.to}`, row.family, row.promised, row.measured, row.signalledBy ?? '-']
    return `| ${[...cells.map((cell) => escaped(oneLine(cell, 120))), WORD[row.verdict]].join(' | ')} |`
  })
  const head = '| path | family | promised | measured | signalled by | verdict |\n|---|---|---:|---:|---|---|'
  const more = rows.length > PATHS ? [`${rows.length - PATHS} more are in the JSON report.`] : []
  return ['## Path MTU, bytes', [head, ...shown].join('\n'), ...more]
}

function footer({ started, finished, exitCode, tool, runId }: Report): string {
  const took = finished ? `${((Date.parse(finished) - Date.parse(started)) / 1000).toFixed(1)} s` : 'not ended in order'
  const run = runId ? `, run ${runId}` : ''
  return escaped(`${tool.name} ${tool.version}, ${started}, ${took}, exit code ${exitCode}${run}`)
}

function listed(names: readonly string[]): string {
  const more = names.length - LISTED
  const lines = names.slice(0, LISTED).map((name) => `- ${escaped(oneLine(name))}`)
  return [...lines, ...(more > 0 ? [`- and ${more} more`] : [])].join('\n')
}

/** Text in which `backticks` mark commands; an odd number of them marks nothing. */
function withCommands(text: string): string {
  const parts = oneLine(text, 1200).split('`')
  if (parts.length % 2 === 0) return escaped(parts.join("'"))
  return parts.map((part, index) => (index % 2 === 1 && part !== '' ? span(part) : escaped(part))).join('')
}

/** Code: a backtick could end it. */
const span = (text: string): string => `\`${oneLine(text).replaceAll('`', "'")}\``

const fenced = (text: string): string => `\`\`\`sh\n${oneLine(text, 1000).replaceAll('`', "'")}\n\`\`\``

/**
 * Text that stays text: no markup, HTML, link, formula, mention or reference. An underscore within a word is no markup, and
 * codes and names stay readable where the Markdown is shown as it is.
 */
function escaped(text: string): string {
  return (
    text
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/@/g, '&#64;')
      .replace(/#(?=\w)/g, '&#35;')
      .replace(/[\\`*[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\$&')
      // at the beginning of a block: a heading, a list, a line below a heading
      .replace(/^(?:#{1,6}|[+-])(?=\s|$)|^(?:=+|-+)$/, '\\$&')
      .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
      .replace(/\b(https?|ftp):\/\//g, '$1:&#47;&#47;')
      .replace(/\bwww\./g, 'www&#46;')
  )
}
