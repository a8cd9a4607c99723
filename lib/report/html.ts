/** The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, for screen, phone and paper. */
import type { Report } from '../types.ts'
import { aboutMarkup, countWord, duration, incompleteMarkup, moment, settingsMarkup, WORD } from './html-about.ts'
import { cardsOf } from './html-causes.ts'
import { anchorsOf, badge, checksMarkup, SIGN } from './html-checks.ts'
import { clusterPage } from './html-cluster.ts'
import { comparisonMarkup } from './html-comparison.ts'
import { documentText, fitting } from './html-document.ts'
import { pathsMarkup } from './html-paths.ts'
import { sceneMarkup } from './html-scene.ts'
import { html, type Markup } from './markup.ts'
import { countVerdicts, headline, settled, VERDICTS } from './model.ts'

/** Rows of a table, and targets, that are shown: the first of these with which the page stays under MAX_BYTES. */
const LIMITS = [200, 60, 20, 5, 0] as const

/** The page; its size stays under 300 kB by leaving out rows of evidence, saying how many. */
export function toHtml(report: Report): string {
  const shown = settled(report)
  const { cluster } = shown
  if (cluster) return clusterPage(shown, cluster)
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
  return html`<header class="banner ${report.verdict}"><p class="tool">k8snetlook: the network of node ${report.node}${
    report.source && `, asked from pod ${report.source.namespace}/${report.source.name} too`
  }. ${moment(report.started)}, ${report.finished ? `${duration(report)}` : 'not ended in order'}.</p>
<h1><span aria-hidden="true">${SIGN[report.verdict][0]}</span> ${WORD[report.verdict]}</h1>
<p>${headline(report)}</p>
<ul class="counts">${VERDICTS.map((verdict) => counts[verdict] > 0 && html`<li>${badge(verdict, countWord(verdict, counts[verdict]))}</li>`)}</ul></header>`
}
