/** The page of a run over all nodes: the causes, who reaches whom, how each node is, and what is set differently. */
import type { ClusterPart, NodeRun, Report, Result, Verdict } from '../types.ts'
import { answeredText, verdictOfNode } from './cluster.ts'
import { aboutMarkup, countWord, duration, incompleteMarkup, moment, settingsMarkup, WORD } from './html-about.ts'
import { cardsOf } from './html-causes.ts'
import { anchorsOf, badge, checksMarkup, SIGN } from './html-checks.ts'
import { documentText, fitting } from './html-document.ts'
import { differencesMarkup, matricesMarkup } from './html-matrix.ts'
import { html, type Markup } from './markup.ts'
import { countVerdicts, explainedBy, headline, VERDICTS } from './model.ts'
import { count, oneLine } from './text.ts'

/** Rows of a table, and nodes of a matrix: the first of these with which the page stays small enough. */
const LIMITS = [200, 60, 40, 20, 8, 2, 0] as const

/** The page of `report`, which is settled; `cluster` is its part over all nodes. */
export function clusterPage(report: Report, cluster: ClusterPart): string {
  return fitting(LIMITS, (limit) => page(report, cluster, limit))
}

function page(report: Report, cluster: ClusterPart, limit: number): string {
  const anchors = anchorsOf(report.results)
  const { root, rest } = cardsOf(report, anchors, Math.min(limit, 40))
  const isFailed = report.verdict === 'fail'
  const body = html`<main>
${bannerMarkup(report, cluster)}
${incompleteMarkup(report)}${root}
${rest.cause}${rest.fail}${rest.run}
${isFailed ? null : rest.inconclusive}${rest.warn}
${matricesMarkup(cluster, limit)}
${nodesMarkup(cluster.nodes, limit)}
${differencesMarkup(cluster.differences, limit)}
<section><h2>All questions</h2>
${report.results.length > 0 ? checksMarkup(report.results, anchors, limit) : html`<p>No check has answered.</p>`}</section>
${isFailed ? rest.inconclusive : null}
${aboutMarkup(report)}
${settingsMarkup(report)}
<footer>${report.tool.name} ${report.tool.version}. What each node said is in the JSON report beside this page. Times are UTC.</footer>
</main>`
  const word = SIGN[report.verdict][1].toUpperCase()
  return documentText(`${word} ${count(cluster.nodes.length, 'node')} - k8snetlook`, body)
}

function bannerMarkup(report: Report, cluster: ClusterPart): Markup {
  const counts = countVerdicts(report.results)
  return html`<header class="banner ${report.verdict}"><p class="tool">k8snetlook: the network of ${count(cluster.nodes.length, 'node')}, each asked by itself. ${moment(report.started)}, ${report.finished ? duration(report) : 'not ended in order'}.</p>
<h1><span aria-hidden="true">${SIGN[report.verdict][0]}</span> ${WORD[report.verdict]}</h1>
<p>${headline(report)} ${answeredText(cluster)}.</p>
<ul class="counts">${VERDICTS.map((verdict) => counts[verdict] > 0 && html`<li>${badge(verdict, countWord(verdict, counts[verdict]))}</li>`)}</ul></header>`
}

const WORST: readonly Report['verdict'][] = ['fail', 'inconclusive', 'warn', 'pass']

const NODES: Readonly<Record<Report['verdict'], string>> = {
  fail: 'failed',
  inconclusive: 'inconclusive',
  warn: 'sound, with warnings',
  pass: 'sound',
}

/** Nodes that have a row each. */
const MOST_NODES = 100

/** All nodes; of too many those that are not sound, as many as there is room for, and the number of the others. */
function nodesMarkup(nodes: readonly NodeRun[], limit: number): Markup {
  const most = Math.min(limit, MOST_NODES)
  const known = nodes.map((run) => ({ run, verdict: verdictOfNode(run) }))
  const inOrder = known.toSorted((a, b) => WORST.indexOf(a.verdict) - WORST.indexOf(b.verdict))
  const shown = (known.length > most ? inOrder.filter(({ verdict }) => verdict !== 'pass') : inOrder).slice(0, most)
  const left = inOrder.filter((one) => !shown.includes(one))
  const rest = WORST.flatMap((verdict) => {
    const n = left.filter((one) => one.verdict === verdict).length
    return n === 0 ? [] : [html`<li>${badge(verdict, `${count(n, 'node')} ${NODES[verdict]}`)}</li>`]
  })
  return html`<section><h2>Nodes</h2>
${
  shown.length > 0 &&
  html`<table class="sheet nodes"><thead><tr>${['Node', 'Zone', 'Verdict', 'Checks'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${shown.map(({ run, verdict }) => nodeMarkup(run, verdict))}</tbody></table>`
}${rest.length > 0 && html`<p class="seen">${shown.length > 0 ? 'And, not listed:' : 'In all:'}</p><ul class="counts">${rest}</ul>`}</section>`
}

function nodeMarkup(run: NodeRun, verdict: Report['verdict']): Markup {
  const { node, zone, source } = run
  const from = source === null ? 'no pod to ask from' : `asked from pod ${source} too`
  return html`<tr class="${verdict}"><th scope="row">${oneLine(node, 120)}<p class="seen">${oneLine(saidOf(run) ?? from, 300)}</p></th><td data-label="Zone">${zone === null ? '' : oneLine(zone, 60)}</td><td>${badge(verdict)}</td><td data-label="Checks">${countsOf(run)}</td></tr>\n`
}

/** Why it is not sound; null: it is. */
function saidOf({ problem, report }: NodeRun): string | null {
  if (problem) return `${problem.code}: ${problem.reason}`
  if (report === null) return 'no report came from it'
  const [error] = report.errors
  if (error) return `${error.code}: ${error.message}`
  if (report.state === 'incomplete') return 'its report is incomplete'
  const [first] = explainedBy(report)
  if (first) return `${first.finding.code}: ${first.finding.cause}`
  const bad = report.results.find(
    ({ verdict }) => verdict === 'fail' || verdict === 'inconclusive' || verdict === 'warn',
  )
  return bad ? `${bad.code}: ${bad.seen}` : null
}

/** "2 failed, 96 passed" of all its checks, those too that its report here leaves out. */
function countsOf({ report, counts }: NodeRun): string {
  if (report === null) return ''
  const all = counts ?? countVerdicts(report.results as readonly Result[])
  const shown: readonly Verdict[] = VERDICTS.filter((verdict) => verdict !== 'not-applicable' && all[verdict] > 0)
  return shown.map((verdict) => countWord(verdict, all[verdict])).join(', ')
}
