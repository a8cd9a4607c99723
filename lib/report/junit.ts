/**
 * JUnit XML as dashboards read it. junit-report-builder writes it; `complete` adds what that library has no words for:
 * reasons of skipped cases, host names, fixed decimals.
 */
import junit, { type Builder, type TestCase, type TestSuite } from 'junit-report-builder'
import { CODES } from '../diagnose/codes.ts'
import type { Change, Evidence, Finding, NodeRun, Report, Result, RunError, Scope } from '../types.ts'
import { aboutOf, type ComparisonLine, comparisonParts, comparisonSentence } from './comparison.ts'
import {
  evidenceLines,
  evidenceValue,
  formatCell,
  formatNumber,
  isMeasured,
  spreadOf,
  targetLines,
} from './evidence.ts'
import { baseName, causesBehind, changeOf, isFailure, runProblems, settled, VERDICTS } from './model.ts'
import { oneLine } from './text.ts'

/** At run time the module is the builder itself; its types claim a `default` inside. */
const library = junit as unknown as Builder
/** Rows of a table, and targets, that a case lists; the JSON report holds them all. */
const ROWS = 40
/** Dashboards cut long messages; the full text is in the element's content. */
const MESSAGE = 300

export interface JUnitOptions {
  /** Path of the HTML page, for consumers that link what a failure names as its attachment (GitLab, Jenkins); null: none does. */
  readonly attachment?: string | null
}

/** What is the same for all suites of a node. */
interface Suites {
  readonly report: Report
  readonly prefix: string
  readonly unique: (name: string) => string
  readonly attachment: string | null
  /** Without evidence: of very many nodes it would be more than a dashboard reads. */
  readonly brief?: boolean
  /** Green checks that have no case of their own: "96 passed, 12 not applicable". */
  readonly others?: string
}

/**
 * One suite for the node's checks, one for the pod's, and one named "run" whose case "the run ended in order" is never green
 * unless it did. Names are stable and unique over the file; instances are in properties and texts.
 * Fail is <failure>, inconclusive and run errors are <error>, not applicable is <skipped> with its reason.
 */
export function toJUnit(report: Report, { attachment = null }: JUnitOptions = {}): string {
  if (report.cluster) return clusterDocument(settled(report), report.cluster.nodes, attachment)
  return documentOf([{ report: settled(report), prefix: 'k8snetlook', unique: uniqueNames(), attachment }])
}

/**
 * The reports of many nodes as one file. Suite and class name hold the node, since dashboards drop a case whose suite, class and
 * name they have seen; the node's dots become `_`, which no node name has: they would read as packages.
 */
export function toMergedJUnit(reports: readonly Report[]): string {
  const unique = uniqueNames()
  return documentOf(
    reports.map((report) => {
      const shown = settled(report)
      return { report: shown, prefix: prefixOf(shown, unique), unique: uniqueNames(), attachment: null }
    }),
  )
}

const prefixOf = ({ node }: Report, unique: (name: string) => string): string =>
  `k8snetlook.${unique(oneLine(node).replaceAll('.', '_'))}`

/** Characters of a file that dashboards still take: GitLab reads 30 MB. */
const MOST_CHARACTERS = 25_000_000

/** How much is told of each node: the first of these that keeps the file small enough. */
const TELLINGS = ['whole', 'brief', 'one case'] as const
type Telling = (typeof TELLINGS)[number]

/**
 * The suites of the cluster's own questions, then those of each node as in a merged file. Written node by node: one tree of a thousand
 * nodes' cases would not fit beside the reports.
 */
function clusterDocument(report: Report, nodes: readonly NodeRun[], attachment: string | null): string {
  const { cluster: _, ...own } = report
  const first = partsOf(documentOf([{ report: own, prefix: 'k8snetlook', unique: uniqueNames(), attachment }]))
  for (const telling of TELLINGS) {
    const unique = uniqueNames()
    const parts = [first, ...nodes.map((run) => partsOf(documentOf([nodeSuites(run, own, telling, unique)])))]
    const characters = parts.reduce((sum, { suites }) => sum + suites.length, 0)
    if (characters < MOST_CHARACTERS || telling === 'one case') return wholeOf(parts)
  }
  return ''
}

function nodeSuites(run: NodeRun, cluster: Report, telling: Telling, unique: (name: string) => string): Suites {
  const known = reportOf(run, cluster)
  const report = settled(telling === 'one case' ? inOneCase(known) : known)
  return {
    ...{ report, prefix: prefixOf(report, unique), unique: uniqueNames(), attachment: null },
    ...{ brief: telling !== 'whole' },
    ...(run.counts ? { others: `${run.counts.pass} passed, ${run.counts['not-applicable']} not applicable` } : {}),
  }
}

/** A node without a report has a run that did not end in order, for its reason. */
function reportOf({ node, problem, report }: NodeRun, cluster: Report): Report {
  const known = report ?? { ...cluster, node, results: [], findings: [], errors: [], notes: [] }
  if (!problem) return known
  return { ...known, errors: [...known.errors, { code: problem.code, message: problem.reason }] }
}

/** Everything that is not green on a node as one case. */
function inOneCase(report: Report): Report {
  const bad = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'inconclusive')
  const [first] = bad.toSorted((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict))
  const rest = report.results.filter(({ verdict }) => verdict === 'pass')
  if (!first) return { ...report, results: rest }
  const codes = [...new Set(bad.map(({ code }) => code))].join(', ')
  const name = 'the checks of this node pass'
  const one: Result = { ...first, id: name, name, evidence: [], targets: [], seen: `${bad.length} do not: ${codes}` }
  return { ...report, results: [one, ...rest] }
}

interface Parts {
  readonly head: string
  readonly attributes: Readonly<Record<string, number>>
  readonly suites: string
}

/** A document taken apart at its root element. */
function partsOf(xml: string): Parts {
  const [, head = '', attributes = '', suites = ''] =
    /^([\s\S]*?)<testsuites ([^>]*)>([\s\S]*)<\/testsuites>/.exec(xml) ?? []
  const numbers = [...attributes.matchAll(/(\w+)="([\d.]+)"/g)].map(([, name, value]) => [name, Number(value)])
  return { head, attributes: Object.fromEntries(numbers), suites }
}

/** One root with the sums of all. */
function wholeOf(parts: readonly Parts[]): string {
  const [first] = parts
  const names = Object.keys(first?.attributes ?? {})
  const sums = names.map((name) => {
    const sum = parts.reduce((total, { attributes }) => total + (attributes[name] ?? 0), 0)
    return `${name}="${name === 'time' ? sum.toFixed(3) : sum}"`
  })
  const suites = parts.map((part) => part.suites).join('')
  return `${first?.head}<testsuites name="k8snetlook" ${sums.join(' ')}>${suites}</testsuites>`
}

function documentOf(nodes: readonly Suites[]): string {
  const builder = library.newBuilder().name('k8snetlook')
  const hosts: string[] = []
  for (const suites of nodes) {
    for (const place of ['node', 'pod', 'cluster'] as const) {
      const results = suites.report.results.filter((result) => result.place === place)
      if (results.length === 0) continue
      addSuite(builder.testSuite(), suites, place, results)
      hosts.push(suites.report.node)
    }
    if (suites.report.comparison) {
      addComparison(builder.testSuite(), suites)
      hosts.push(suites.report.node)
    }
    addRun(builder.testSuite(), suites)
    hosts.push(suites.report.node)
  }
  const results = nodes.flatMap(({ report }) => report.results)
  const skipped = nodes.flatMap(({ report }) => report.results.flatMap((result) => reasonToSkip(result, report)))
  return complete(builder.build(), { hosts, skipped, seconds: secondsOf(results) })
}

/** In the order of the cases. */
function reasonToSkip(result: Result, report: Report): readonly string[] {
  const change = changeOf(report, result)
  if (change?.excused) return [excuseOf(result, change)]
  return result.verdict === 'not-applicable' ? [result.seen] : []
}

const secondsOf = (results: readonly Result[]): number => results.reduce((sum, { seconds }) => sum + seconds, 0)

function addSuite(suite: TestSuite, suites: Suites, place: Scope, results: readonly Result[]): void {
  const { report, prefix, unique } = suites
  suite.name(`${prefix}.${place}`).timestamp(report.started).time(secondsOf(results))
  for (const result of results) {
    const item = suite
      .testCase()
      .className(`${prefix}.${place}.${baseName(result.file)}`)
      .name(unique(oneLine(result.name)))
      .file(result.file)
      .time(result.seconds)
    addVerdict(item, result, suites)
    const shown = suites.brief ? { ...result, evidence: [] } : result
    for (const [name, value] of propertiesOf(shown, changeOf(report, result))) item.property(name, value)
  }
}

function addVerdict(item: TestCase, result: Result, { report, attachment, brief = false }: Suites): void {
  const code = result.code ?? 'CHECK_CRASHED'
  const [cause] = causesBehind(result, report)
  const change = changeOf(report, result)
  const told = cause ? `follows from ${cause.code}: ${result.seen}` : result.seen
  const message = oneLine(`${result.verdict === 'fail' ? markOf(change) : ''}${told}`, MESSAGE)
  const text = cdata(explain(result, report, brief ? 0 : ROWS).join('\n'))
  if (change?.excused) item.skipped()
  else if (result.verdict === 'fail') item.failure(message, code).stacktrace(text)
  else if (result.verdict === 'inconclusive') item.error(message, code, text)
  else if (result.verdict === 'not-applicable') item.skipped()
  else if (text) item.standardOutput(text)
  if (result.verdict === 'fail' && !change?.excused && attachment !== null)
    item.standardOutput(cdata(`[[ATTACHMENT|${attachment}]]`))
}

/** "new: ", "known: " where earlier runs or waivers say so. */
const markOf = (change: Change | undefined): string =>
  change?.status === 'new' || change?.status === 'known' ? `${change.status}: ` : ''

/** As test frameworks show an expected failure: skipped, with what failed and why that is excused. */
function excuseOf(result: Result, change: Change): string {
  const why = aboutOf(change) || 'it failed before'
  return `known: ${result.code ?? ''}: ${result.seen} (${why})`
}

/** The cause that it follows from, or that it is; what was seen, what it means, what to do, and the evidence. */
function explain(result: Result, report: Report, rows: number): string[] {
  const text = CODES[result.code ?? '']
  const behind = causesBehind(result, report)
  const remedy = behind.length > 0 ? undefined : (result.hint ?? text?.remedy)
  const own = report.findings.filter(({ id }) => result.findings.includes(id))
  const change = changeOf(report, result)
  return [
    ...(change ? [`Beside earlier runs: ${[change.status, aboutOf(change)].filter(Boolean).join(', ')}`] : []),
    ...behind.map(({ code, confidence, cause }) => `Follows from ${code} (${confidence}): ${cause}`),
    ...(result.code ? [`${result.code}: ${result.seen}`] : result.seen ? [result.seen] : []),
    ...(text ? [`What it means: ${text.means}`] : []),
    ...(remedy ? [`What to do: ${remedy}`] : []),
    ...behind.map(({ remedy: what }) => `What to do: ${what}`),
    ...own.flatMap(({ hides, again }) => [
      ...(hides ? [`Not to be seen until this is mended: ${hides}`] : []),
      `Ask again: ${again}`,
    ]),
    ...(rows === 0 ? [] : evidenceOf(result, behind, rows)),
  ]
}

const evidenceOf = (result: Result, behind: readonly Finding[], rows: number): string[] => [
  ...behind.flatMap(({ evidence }) => evidenceLines(evidence, rows)),
  ...targetLines(result.targets, rows),
  ...evidenceLines(result.evidence, rows),
]

function propertiesOf(result: Result, change: Change | undefined): [string, string][] {
  const fixed: [string, string | number | undefined][] = [
    ['verdict', result.verdict],
    ['code', result.code],
    ['row', result.row],
    ['family', result.family && `IPv${result.family}`],
    ['comparison', change?.status],
    ['waived until', change?.waiver?.expires],
    ['findings', result.findings.join(' ') || undefined],
  ]
  const known = fixed.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, `${value}`]]))
  return [...known, ...flat(result.evidence)]
}

/** Evidence as properties with distinct names: one figure each, a number plain and its unit in the name. */
function flat(evidence: readonly Evidence[]): [string, string][] {
  const unique = uniqueNames()
  return evidence.flatMap((item) => {
    const name = unique(`evidence.${oneLine(item.name, 80)}`)
    return figuresOf(item).map(([part, unit, value]): [string, string] => {
      const of = part === '' ? name : `${name}.${part}`
      return [unit === undefined ? of : `${of} [${oneLine(unit, 40)}]`, oneLine(value, 1000)]
    })
  })
}

/** The figures of evidence: what it is a part of ('' for the whole), unit, value. */
function figuresOf(item: Evidence): [part: string, unit: string | undefined, value: string][] {
  if (item.kind === 'scalar') return [['', item.unit, formatCell(item.value)]]
  if (item.kind === 'samples' && item.values.length > 0) {
    const { low, mean, high } = spreadOf(item.values)
    const times = (
      [
        ['min', low],
        ['avg', mean],
        ['max', high],
      ] as const
    ).map(([part, value]): [string, string, string] => [part, item.unit, formatNumber(value)])
    return [['samples', undefined, `${item.values.length}`], ...times]
  }
  if (!isMeasured(item)) return [['', undefined, evidenceValue(item)]]
  const { promised, measured, signalledBy } = item.mtu
  return [
    ['', undefined, evidenceValue(item)],
    ['promised', 'bytes', `${promised}`],
    ...(measured === null ? [] : [['measured', 'bytes', `${measured}`] as [string, string, string]]),
    ...(signalledBy === null ? [] : [['signalled by', undefined, signalledBy] as [string, undefined, string]]),
  ]
}

/** One case a question that only the comparison answers, the same in every run that compares. */
function addComparison(suite: TestSuite, { report, prefix }: Suites): void {
  const name = prefix === 'k8snetlook' ? 'comparison' : `${prefix}.comparison`
  suite.name(name).timestamp(report.started).time(0)
  const { comparison } = report
  if (!comparison) return
  for (const [index, run] of comparison.baselines.entries()) {
    suite.property(`baseline ${index + 1}`, `${run.started} ${run.node} ${run.verdict} ${run.runId}`)
  }
  const parts = comparisonParts(report)
  const item = suite.testCase().className(`${prefix}.comparison`).name('nothing is worse than before').time(0)
  const worse = parts.find(({ kind }) => kind === 'worse')
  const [first] = comparison.worse
  if (worse && first && comparison.gate) {
    const text = [...worse.lines.map(lineText), ...worse.remedies.map((remedy) => `What to do: ${remedy}`)].join('\n')
    item.failure(oneLine(lineText(worse.lines[0] as ComparisonLine), MESSAGE), first.code).stacktrace(cdata(text))
  }
  const told = parts.flatMap(({ title, lines }) => [
    `${title}: ${lines.length}`,
    ...lines.map((line) => `  ${lineText(line)}`),
  ])
  item.standardOutput(cdata([comparisonSentence(comparison), ...told].join('\n')))
}

const lineText = ({ code, text }: ComparisonLine): string => oneLine(code ? `${code}: ${text}` : text, 600)

function addRun(suite: TestSuite, { report, prefix, unique, others }: Suites): void {
  suite
    .name(prefix === 'k8snetlook' ? 'run' : `${prefix}.run`)
    .timestamp(report.started)
    .time(0)
  suite.property('tool', `${report.tool.name} ${report.tool.version}`)
  suite.property('run', report.runId)
  suite.property('state', report.state)
  suite.property('verdict', report.verdict)
  if (others !== undefined) {
    suite.property('checks without a case', others)
    const text = `${others}. Of so many nodes only what is not green has cases of its own.`
    suite
      .testCase()
      .className(`${prefix}.run`)
      .name('the other checks of this node are green')
      .time(0)
      .standardOutput(text)
  }
  const problems = runProblems(report)
  const ended = suite.testCase().className(`${prefix}.run`).name('the run ended in order').time(0)
  const general = problems.filter((problem) => !problem.file)
  if (general[0]) addError(ended, general as [RunError])
  for (const problem of problems) {
    if (!problem.file) continue
    const item = suite
      .testCase()
      .className(`${prefix}.run.${baseName(problem.file)}`)
      .file(problem.file)
      .time(0)
    addError(item.name(unique(`${problem.file} ran to its end`)), [problem])
  }
}

function addError(item: TestCase, problems: readonly [RunError, ...RunError[]]): void {
  const text = problems.flatMap(({ code, message }) => {
    const known = CODES[code]
    return [`${code}: ${message}`, ...(known ? [`What it means: ${known.means}`, `What to do: ${known.remedy}`] : [])]
  })
  const [{ message, code }] = problems
  if (problems.every(isFailure)) item.failure(oneLine(message, MESSAGE), code).stacktrace(cdata(text.join('\n')))
  else item.error(oneLine(message, MESSAGE), code, cdata(text.join('\n')))
}

/** "name", and from its second use on "name (2)": dashboards drop cases of equal names. */
function uniqueNames(): (name: string) => string {
  const used = new Map<string, number>()
  return (name) => {
    const times = (used.get(name) ?? 0) + 1
    used.set(name, times)
    return times === 1 ? name : `${name} (${times})`
  }
}

/** The library splits only the first end-of-CDATA mark of a text. */
const cdata = (text: string): string => text.replaceAll(']]>', ']] >')

/**
 * In what the library writes, `<` opens a tag everywhere but in CDATA, and `"` ends an attribute everywhere but there. The root
 * gets the time that dashboards show, and loses a count that the schema of JUnit files does not know.
 */
function complete(
  xml: string,
  { hosts, skipped, seconds }: { hosts: readonly string[]; skipped: readonly string[]; seconds: number },
): string {
  const [names, reasons] = [hosts.values(), skipped.values()]
  const rooted = xml.replace(/<testsuites ([^>]*?) skipped="\d+"/, `<testsuites $1 time="${seconds}"`)
  return rooted.replace(
    /<!\[CDATA\[[\s\S]*?\]\]>|<skipped\/>|<testsuite |(?<= )time="([^"]*)"/g,
    (token, time?: string) => {
      if (time !== undefined) return `time="${Number(time).toFixed(3)}"`
      if (token === '<testsuite ') return `<testsuite hostname="${escapeXml(names.next().value ?? '')}" `
      if (token !== '<skipped/>') return token
      const reason = reasons.next().value ?? ''
      return `<skipped message="${escapeXml(oneLine(reason, MESSAGE))}">${escapeXml(reason)}</skipped>`
    },
  )
}

const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`).replace(/\s/g, ' ')
