/** The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, for screen, phone and paper. */
import { CODES } from '../diagnose/codes.ts'
import type { Report, Result, Verdict } from '../types.ts'
import { type Anchors, anchorsOf, badge, checksMarkup, SIGN } from './html-checks.ts'
import { comparisonMarkup } from './html-comparison.ts'
import { commands, evidenceMarkup } from './html-evidence.ts'
import { pathsMarkup } from './html-paths.ts'
import { STYLE } from './html-style.ts'
import { html, type Markup } from './markup.ts'
import {
  countVerdicts,
  type Explained,
  explainedBy,
  headline,
  type Problem,
  problemsOf,
  runProblems,
  settled,
  unexplained,
  VERDICTS,
} from './model.ts'
import { count, oneLine } from './text.ts'

const MAX_BYTES = 300_000
/** Rows of a table, and targets, that are shown: the first of these with which the page stays under MAX_BYTES. */
const LIMITS = [200, 60, 20, 5, 0] as const
/** Checks of one problem that are listed before the fold. */
const FOLD_AFTER = 4

/** The page; its size stays under 300 kB by leaving out rows of evidence, saying how many. */
export function toHtml(report: Report): string {
  const shown = settled(report)
  let text = ''
  for (const limit of LIMITS) {
    text = page(shown, limit)
    if (Buffer.byteLength(text) < MAX_BYTES) break
  }
  return text
}

function page(report: Report, limit: number): string {
  const anchors = anchorsOf(report.results)
  const failed = section(report, 'fail', 'What is wrong, and what to do', anchors)
  const unknown = section(report, 'inconclusive', 'What could not be looked at, and why', anchors)
  const body = html`<main>
${bannerMarkup(report)}
${incompleteMarkup(report)}${findingsMarkup(report, anchors, limit)}${failed}
${runMarkup(report)}${failed ? null : unknown}${section(report, 'warn', 'Warnings', anchors)}
${comparisonMarkup(report, anchors)}<section><h2>All checks</h2>
${report.results.length > 0 ? checksMarkup(report.results, anchors, limit) : html`<p>No check has answered.</p>`}</section>
${pathsMarkup(report.results, anchors, limit)}${failed ? unknown : null}${aboutMarkup(report)}${settingsMarkup(report)}
<footer>${report.tool.name} ${report.tool.version}. All evidence is in the JSON report beside this page. Times are UTC.</footer>
</main>`
  const title = `${SIGN[report.verdict][1].toUpperCase()} ${report.node} - k8snetlook`
  return `<!DOCTYPE html>\n${document(title, body).markup}\n`
}

/** The policy keeps the page from loading or running anything, even if an escape were missing. */
function document(title: string, body: Markup): Markup {
  return html`<html lang="en"><head><meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'" />
<meta name="viewport" content="width=device-width, initial-scale=1" /><meta name="color-scheme" content="light dark" />
<link rel="icon" href="data:," /><title>${oneLine(title)}</title><style>${{ markup: STYLE }}</style></head>
<body>
${body}
</body></html>`
}

function bannerMarkup(report: Report): Markup {
  const counts = countVerdicts(report.results)
  const word: Record<Report['verdict'], string> = {
    pass: 'Sound',
    warn: 'Sound, with warnings',
    fail: 'Failed',
    inconclusive: 'Inconclusive',
  }
  return html`<header class="banner ${report.verdict}"><p class="tool">k8snetlook: the network of node ${report.node}${
    report.source && `, asked from pod ${report.source.namespace}/${report.source.name} too`
  }</p>
<h1><span aria-hidden="true">${SIGN[report.verdict][0]}</span> ${word[report.verdict]}</h1>
<p>${headline(report)}</p>
<ul class="counts">${VERDICTS.map((verdict) => counts[verdict] > 0 && html`<li>${badge(verdict, countWord(verdict, counts[verdict]))}</li>`)}</ul>
${factsMarkup(report)}</header>`
}

function countWord(verdict: Verdict, n: number): string {
  const words = { pass: 'passed', fail: 'failed', inconclusive: 'inconclusive', 'not-applicable': 'not applicable' }
  return verdict === 'warn' ? count(n, 'warning') : `${n} ${words[verdict]}`
}

function factsMarkup(report: Report): Markup {
  const took = report.finished && `, ${duration(report)}`
  const facts: readonly (readonly [string, string])[] = [
    ['Node', report.node],
    ['Source pod', report.source ? `${report.source.namespace}/${report.source.name}` : 'none'],
    ['Run', `${moment(report.started)}${took ?? ', not ended in order'}`],
  ]
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${oneLine(value)}</dd></div>`)}</dl>`
}

const moment = (iso: string): string => iso.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC')

const duration = ({ started, finished }: Report): string =>
  `${((Date.parse(finished ?? '') - Date.parse(started)) / 1000).toFixed(1)} s`

function incompleteMarkup(report: Report): Markup | null {
  if (report.state === 'complete') return null
  return html`<section class="card loud inconclusive" role="alert"><p><strong>${SIGN.inconclusive[0]} Incomplete:</strong> this run has not ended in order. The page shows what was known by then; whatever is missing here was not asked, and is not sound by that.</p></section>\n`
}

function section(
  report: Report,
  verdict: 'fail' | 'warn' | 'inconclusive',
  title: string,
  anchors: Anchors,
): Markup | null {
  const problems = problemsOf(unexplained(report), verdict)
  if (problems.length === 0) return null
  return html`<section><h2>${title}</h2>\n${problems.map((problem) => problemMarkup(problem, verdict, anchors))}</section>\n`
}

function problemMarkup(problem: Problem, verdict: Verdict, anchors: Anchors): Markup {
  const { code, means, remedy, seen, results } = problem
  return html`<article class="card ${verdict}"><h3><span class="code">${code}</span>${badge(verdict)}</h3>
<dl class="says"><dt>${results.length === 1 ? 'Check' : `${results.length} checks`}</dt><dd>${whereMarkup(problem, anchors)}</dd>
${seen && html`<dt>Seen</dt><dd>${oneLine(seen, 1200)}</dd>`}
${means && html`<dt>It means</dt><dd>${commands(means)}</dd>`}${remedy && html`<dt class="do">Do this</dt><dd>${commands(remedy)}</dd>`}</dl></article>\n`
}

/** The checks with links to their evidence. */
const whereMarkup = ({ seen, results }: Problem, anchors: Anchors): Markup =>
  listMarkup(results, anchors, seen === null)

/** A long list is folded after its first ones. `told`: with what each saw. */
function listMarkup(all: readonly Result[], anchors: Anchors, told: boolean): Markup {
  const list = (some: readonly Result[]) =>
    html`<ul class="where">${some.map(
      (result) =>
        html`<li><a href="#${anchors.get(result)}">${oneLine(result.name)}</a>${
          told && html`<p class="seen">${oneLine(result.seen)}</p>`
        }</li>`,
    )}</ul>`
  if (all.length <= FOLD_AFTER + 2) return list(all)
  const rest = all.slice(FOLD_AFTER)
  return html`${list(all.slice(0, FOLD_AFTER))}<details><summary>and ${rest.length} more</summary>${list(rest)}</details>`
}

function runMarkup(report: Report): Markup | null {
  const problems = runProblems(report)
  if (problems.length === 0) return null
  return html`<section><h2>What went wrong around the checks</h2>
${problems.map(
  ({
    code,
    message,
    file,
  }) => html`<article class="card inconclusive"><h3><span class="code">${code}</span>${file && html`<code>${file}</code>`}</h3>
<dl class="says"><dt>Seen</dt><dd>${oneLine(message, 1200)}</dd>${
    CODES[code] &&
    html`<dt>It means</dt><dd>${CODES[code].means}</dd><dt class="do">Do this</dt><dd>${commands(CODES[code].remedy)}</dd>`
  }</dl></article>\n`,
)}</section>\n`
}

/** The causes, roots first: what to do stands before what follows, the proof is folded. */
function findingsMarkup(report: Report, anchors: Anchors, limit: number): Markup | null {
  const all = explainedBy(report)
  if (all.length === 0) return null
  const title = all.length === 1 ? 'The cause, and what to do' : `${all.length} causes, and what to do`
  return html`<section><h2>${title}</h2>\n${all.map((one) => findingMarkup(one, anchors, limit))}</section>\n`
}

function findingMarkup({ finding, results, verdict }: Explained, anchors: Anchors, limit: number): Markup {
  const { code, cause, confidence, remedy, hides, again, evidence } = finding
  return html`<article class="card ${verdict}"><h3><span class="code">${code}</span>${badge(verdict, confidence)}</h3>
<p><strong>${oneLine(cause, 1200)}</strong></p>
<dl class="says"><dt class="do">Do this</dt><dd>${commands(remedy)}</dd>${
    hides && html`<dt>Hidden by it</dt><dd>${oneLine(hides)}: not to be seen until this is mended</dd>`
  }<dt>Ask again</dt><dd><code>${oneLine(again, 1000)}</code></dd>
<dt>Explains</dt><dd>${listMarkup(results, anchors, false)}</dd></dl>${
    evidence.length > 0 &&
    html`<details><summary>How this is known</summary>${evidenceMarkup(evidence, limit)}</details>`
  }</article>\n`
}

/** Which run this is, what was picked and why, and which way the pod was found. */
function aboutMarkup(report: Report): Markup {
  const facts: readonly (readonly [string, string | null | undefined])[] = [
    ['Pod found by', report.source?.foundBy],
    ['Cluster', report.clusterUid],
    ['Run', report.runId],
    ['Ended', report.finished ? moment(report.finished) : 'not in order'],
    ['Exit code', `${report.exitCode}`],
  ]
  return html`<section><h2>What was picked, and why</h2>${
    report.notes.length > 0 &&
    html`<ul class="plain">${report.notes.map((note) => html`<li>${oneLine(note)}</li>`)}</ul>`
  }
<dl class="pairs">${facts.map(([name, value]) => value && html`<dt>${name}</dt><dd>${oneLine(value)}</dd>`)}</dl></section>\n`
}

function settingsMarkup(report: Report): Markup | null {
  if (report.settings.length === 0) return null
  const pairs = report.settings.map(
    ({ name, value }) => html`<dt><code>${name}</code></dt><dd>${oneLine(value) || '(not set)'}</dd>`,
  )
  return html`<section><h2>Settings</h2><dl class="pairs">${pairs}</dl></section>\n`
}
