/**
 * JUnit XML as dashboards read it. junit-report-builder writes it; `complete` adds what that library has no words for:
 * reasons of skipped cases, host names, fixed decimals.
 */
import junit, { type Builder, type TestCase, type TestSuite } from 'junit-report-builder'
import { CODES } from '../diagnose/codes.ts'
import type { Evidence, Place, Report, Result, RunError } from '../types.ts'
import { evidenceLines, evidenceValue, targetLines } from './evidence.ts'
import { baseName, causesBehind, runProblems, settled } from './model.ts'
import { oneLine } from './text.ts'

/** At run time the module is the builder itself; its types claim a `default` inside. */
const library = junit as unknown as Builder
/** Rows of a table, and targets, that a case lists; the JSON report holds them all. */
const ROWS = 40
/** Dashboards cut long messages; the full text is in the element's content. */
const MESSAGE = 300

/**
 * One suite for the node's checks, one for the pod's, and one named "run" whose case "the run ended in order" is never green
 * unless it did. Names are stable and unique over the file; instances are in properties and texts.
 * Fail is <failure>, inconclusive and run errors are <error>, not applicable is <skipped> with its reason.
 */
export function toJUnit(report: Report): string {
  const shown = settled(report)
  const builder = library.newBuilder().name('k8snetlook')
  const unique = uniqueNames()
  for (const place of ['node', 'pod'] as const) {
    const results = shown.results.filter((result) => result.place === place)
    if (results.length > 0) addSuite(builder.testSuite(), shown, place, results, unique)
  }
  addRun(builder.testSuite(), shown, unique)
  const skipped = shown.results.filter((result) => result.verdict === 'not-applicable').map((result) => result.seen)
  return complete(builder.build(), shown.node, skipped)
}

function addSuite(
  suite: TestSuite,
  report: Report,
  place: Place,
  results: readonly Result[],
  unique: (name: string) => string,
): void {
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0)
  suite.name(`k8snetlook.${place}`).timestamp(report.started).time(seconds)
  for (const result of results) {
    const item = suite
      .testCase()
      .className(`k8snetlook.${place}.${baseName(result.file)}`)
      .name(unique(oneLine(result.name)))
      .file(result.file)
      .time(result.seconds)
    addVerdict(item, result, report)
    for (const [name, value] of propertiesOf(result)) item.property(name, value)
  }
}

function addVerdict(item: TestCase, result: Result, report: Report): void {
  const code = result.code ?? 'CHECK_CRASHED'
  const [cause] = causesBehind(result, report)
  const message = oneLine(cause ? `follows from ${cause.code}: ${result.seen}` : result.seen, MESSAGE)
  const text = cdata(explain(result, report).join('\n'))
  if (result.verdict === 'fail') item.failure(message, code).stacktrace(text)
  else if (result.verdict === 'inconclusive') item.error(message, code, text)
  else if (result.verdict === 'not-applicable') item.skipped()
  else if (text) item.standardOutput(text)
}

/** The cause that it follows from, or that it is; what was seen, what it means, what to do, and the evidence. */
function explain(result: Result, report: Report): string[] {
  const text = CODES[result.code ?? '']
  const behind = causesBehind(result, report)
  const remedy = behind.length > 0 ? undefined : (result.hint ?? text?.remedy)
  const own = report.findings.filter(({ id }) => result.findings.includes(id))
  return [
    ...behind.map(({ code, confidence, cause }) => `Follows from ${code} (${confidence}): ${cause}`),
    ...(result.code ? [`${result.code}: ${result.seen}`] : result.seen ? [result.seen] : []),
    ...(text ? [`What it means: ${text.means}`] : []),
    ...(remedy ? [`What to do: ${remedy}`] : []),
    ...behind.map(({ remedy: what }) => `What to do: ${what}`),
    ...own.flatMap(({ hides, again }) => [
      ...(hides ? [`Not to be seen until this is mended: ${hides}`] : []),
      `Ask again: ${again}`,
    ]),
    ...behind.flatMap(({ evidence }) => evidenceLines(evidence, ROWS)),
    ...targetLines(result.targets, ROWS),
    ...evidenceLines(result.evidence, ROWS),
  ]
}

function propertiesOf(result: Result): [string, string][] {
  const fixed: [string, string | number | undefined][] = [
    ['verdict', result.verdict],
    ['code', result.code],
    ['row', result.row],
    ['family', result.family && `IPv${result.family}`],
    ['findings', result.findings.join(' ') || undefined],
  ]
  const known = fixed.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, `${value}`]]))
  return [...known, ...flat(result.evidence)]
}

/** Evidence as properties with distinct names. */
function flat(evidence: readonly Evidence[]): [string, string][] {
  const unique = uniqueNames()
  return evidence.map((item) => [unique(`evidence.${oneLine(item.name, 80)}`), oneLine(evidenceValue(item), 1000)])
}

function addRun(suite: TestSuite, report: Report, unique: (name: string) => string): void {
  suite.name('run').timestamp(report.started).time(0)
  suite.property('tool', `${report.tool.name} ${report.tool.version}`)
  suite.property('run', report.runId)
  suite.property('state', report.state)
  suite.property('verdict', report.verdict)
  const problems = runProblems(report)
  const ended = suite.testCase().className('k8snetlook.run').name('the run ended in order').time(0)
  const general = problems.filter((problem) => !problem.file)
  if (general[0]) addError(ended, general as [RunError])
  for (const problem of problems) {
    if (!problem.file) continue
    const item = suite
      .testCase()
      .className(`k8snetlook.run.${baseName(problem.file)}`)
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
  item.error(oneLine(problems[0].message, MESSAGE), problems[0].code, cdata(text.join('\n')))
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

/** In what the library writes, `<` opens a tag everywhere but in CDATA, and `"` ends an attribute everywhere but there. */
function complete(xml: string, node: string, skipReasons: readonly string[]): string {
  const reasons = skipReasons.values()
  return xml.replace(
    /<!\[CDATA\[[\s\S]*?\]\]>|<skipped\/>|<testsuite |(?<= )time="([^"]*)"/g,
    (token, time?: string) => {
      if (time !== undefined) return `time="${Number(time).toFixed(3)}"`
      if (token === '<testsuite ') return `<testsuite hostname="${escapeXml(node)}" `
      if (token !== '<skipped/>') return token
      const reason = reasons.next().value ?? ''
      return `<skipped message="${escapeXml(oneLine(reason, MESSAGE))}">${escapeXml(reason)}</skipped>`
    },
  )
}

const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`).replace(/\s/g, ' ')
