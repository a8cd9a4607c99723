/** The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, for screen, phone and paper. */
import type { Report, Verdict } from '../types.ts'
import { cardsOf } from './html-causes.ts'
import { anchorsOf, badge, checksMarkup, SIGN } from './html-checks.ts'
import { comparisonMarkup } from './html-comparison.ts'
import { documentText, fitting } from './html-document.ts'
import { pathsMarkup } from './html-paths.ts'
import { sceneMarkup } from './html-scene.ts'
import { html, type Markup } from './markup.ts'
import { countVerdicts, headline, settled, VERDICTS } from './model.ts'
import { count, oneLine } from './text.ts'

/** Rows of a table, and targets, that are shown: the first of these with which the page stays under MAX_BYTES. */
const LIMITS = [200, 60, 20, 5, 0] as const

/** The page; its size stays under 300 kB by leaving out rows of evidence, saying how many. */
export function toHtml(report: Report): string {
  const shown = settled(report)
  return fitting(LIMITS, (limit) => page(shown, limit))
}

function page(report: Report, limit: number): string {
  const anchors = anchorsOf(report.results)
  const { root, rest } = cardsOf(report, anchors, limit)
  const isFailed = report.verdict === 'fail'
  const body = html`<main>
${bannerMarkup(report)}
${incompleteMarkup(report)}${root}
${sceneMarkup(report)}
${rest.cause}${rest.fail}${rest.run}
${isFailed ? null : rest.inconclusive}${rest.warn}
<section><h2>All checks</h2>
${report.results.length > 0 ? checksMarkup(report.results, anchors, limit) : html`<p>No check has answered.</p>`}</section>
${comparisonMarkup(report, anchors)}${pathsMarkup(report.results, anchors, limit)}
${isFailed ? rest.inconclusive : null}
${aboutMarkup(report)}
${settingsMarkup(report)}
<footer>${report.tool.name} ${report.tool.version}. All evidence is in the JSON report beside this page. Times are UTC.</footer>
</main>`
  const title = `${SIGN[report.verdict][1].toUpperCase()} ${report.node} - k8snetlook`
  return documentText(title, body)
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
  }. ${moment(report.started)}, ${report.finished ? `${duration(report)}` : 'not ended in order'}.</p>
<h1><span aria-hidden="true">${SIGN[report.verdict][0]}</span> ${word[report.verdict]}</h1>
<p>${headline(report)}</p>
<ul class="counts">${VERDICTS.map((verdict) => counts[verdict] > 0 && html`<li>${badge(verdict, countWord(verdict, counts[verdict]))}</li>`)}</ul></header>`
}

function countWord(verdict: Verdict, n: number): string {
  const words = { pass: 'passed', fail: 'failed', inconclusive: 'inconclusive', 'not-applicable': 'not applicable' }
  return verdict === 'warn' ? count(n, 'warning') : `${n} ${words[verdict]}`
}

const moment = (iso: string): string => iso.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC')

const duration = ({ started, finished }: Report): string =>
  `${((Date.parse(finished ?? '') - Date.parse(started)) / 1000).toFixed(1)} s`

function incompleteMarkup(report: Report): Markup | null {
  if (report.state === 'complete') return null
  return html`<section class="card loud inconclusive" role="alert"><p><strong>${SIGN.inconclusive[0]} Incomplete:</strong> this run has not ended in order. The page shows what was known by then; whatever is missing here was not asked, and is not sound by that.</p></section>\n`
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
