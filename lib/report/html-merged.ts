/** The reports of many nodes as one HTML page: which node is how, what is wrong where, and every check on every node. */
import type { Report, Result, Verdict } from '../types.ts'
import { badge, SIGN } from './html-checks.ts'
import { documentText, fitting } from './html-document.ts'
import { commands } from './html-evidence.ts'
import { html, type Markup } from './markup.ts'
import {
  countsLine,
  explainedBy,
  familyOf,
  headline,
  inOrder,
  problemsOf,
  questionText,
  runProblems,
  settled,
  unexplained,
  VERDICTS,
} from './model.ts'
import { count, oneLine } from './text.ts'

/** Cards of one node, the first of these with which the page stays under MAX_BYTES. */
const LIMITS = [12, 4, 1, 0] as const

/** The page. Nodes stand in the order of `reports`; two reports of one node are told apart by a number. */
export function toMergedHtml(reports: readonly Report[]): string {
  const seen = new Map<string, number>()
  const nodes = reports.map((one): Node => {
    const report = settled(one)
    const times = (seen.get(report.node) ?? 0) + 1
    seen.set(report.node, times)
    return { report, name: oneLine(times === 1 ? report.node : `${report.node} (${times})`) }
  })
  return fitting(LIMITS, (limit) => page(nodes, limit))
}

interface Node {
  readonly report: Report
  readonly name: string
}

/** A fail outweighs what is not known, as in the exit code. */
const WORST: readonly Report['verdict'][] = ['fail', 'inconclusive', 'warn', 'pass']

function page(nodes: readonly Node[], limit: number): string {
  const worst = WORST.find((verdict) => nodes.some(({ report }) => report.verdict === verdict)) ?? 'inconclusive'
  const counts = WORST.flatMap((verdict) => {
    const n = nodes.filter(({ report }) => report.verdict === verdict).length
    return n > 0 ? [{ verdict, text: `${count(n, 'node')} ${NODES[verdict]}` }] : []
  })
  const failing = nodes.filter(({ report }) => report.verdict === worst).length
  const body = html`<main>
<header class="banner ${worst}"><p class="tool">k8snetlook: the network of ${count(nodes.length, 'node')}</p>
<h1><span aria-hidden="true">${SIGN[worst][0]}</span> ${failing} of ${count(nodes.length, 'node')} ${NODES[worst]}</h1>
<ul class="counts">${counts.map(({ verdict, text }) => html`<li>${badge(verdict, text)}</li>`)}</ul></header>
${nodesMarkup(nodes)}
${nodes.map((node, index) => troublesMarkup(node, `node-${index + 1}`, limit))}
${checksMarkup(nodes)}
<footer>All evidence is in each node's own report beside this page.</footer>
</main>`
  return documentText(`${SIGN[worst][1].toUpperCase()} ${count(nodes.length, 'node')} - k8snetlook`, body)
}

const NODES: Readonly<Record<Report['verdict'], string>> = {
  fail: 'failed',
  inconclusive: 'inconclusive',
  warn: 'sound, with warnings',
  pass: 'sound',
}

function nodesMarkup(nodes: readonly Node[]): Markup {
  const rows = nodes.map(({ report, name }, index) => {
    const said = explainedBy(report)[0]?.finding.cause ?? headline(report)
    const link = troublesOf(report).length === 0 ? html`${name}` : html`<a href="#node-${index + 1}">${name}</a>`
    return html`<tr class="${report.verdict}"><th scope="row">${link}<p class="seen">${oneLine(said, 300)}</p></th><td>${badge(report.verdict)}</td><td>${countsLine(report.results)}</td></tr>\n`
  })
  return html`<section><h2>Nodes</h2><table class="sheet"><thead><tr>${['Node', 'Verdict', 'Checks'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></section>`
}

interface Trouble {
  readonly code: string
  readonly verdict: Verdict
  readonly said: string
  readonly remedy: string
}

function troublesMarkup({ report, name }: Node, id: string, limit: number): Markup | null {
  const troubles = troublesOf(report)
  if (troubles.length === 0) return null
  const more = troubles.length - limit
  return html`<section><h2 id="${id}">${name}</h2>${troubles.slice(0, limit).map(
    ({
      code,
      verdict,
      said,
      remedy,
    }) => html`<article class="card ${verdict}"><h3><span class="code">${code}</span>${badge(verdict)}</h3>
<p><strong>${oneLine(said, 600)}</strong></p>${remedy && html`<dl class="says"><dt class="do">Do this</dt><dd>${commands(remedy)}</dd></dl>`}</article>\n`,
  )}${more > 0 && html`<p class="seen">${limit > 0 ? `and ${more} more` : count(more, 'cause')} in the node's own report</p>`}</section>`
}

function troublesOf(report: Report): Trouble[] {
  const others = unexplained(report)
  const causes = explainedBy(report).map(({ finding, verdict }) => ({
    ...{ code: finding.code, verdict, said: finding.cause, remedy: finding.remedy },
  }))
  const problems = (['fail', 'inconclusive', 'warn'] as const).flatMap((verdict) =>
    problemsOf(others, verdict).map(({ code, seen, means, remedy }) => ({
      code,
      verdict,
      said: seen ?? means,
      remedy,
    })),
  )
  const run = runProblems(report).map(({ code, message }) => ({
    ...{ code, verdict: 'inconclusive' as const, said: message, remedy: '' },
  }))
  return [...causes, ...problems, ...run]
}

/** One row a question. A question that all nodes answer alike has one cell for all of them. */
function checksMarkup(nodes: readonly Node[]): Markup {
  const questions = new Map<string, { readonly text: string; readonly byNode: Map<Node, Result[]> }>()
  for (const node of nodes) {
    for (const result of inOrder(node.report.results)) {
      const text = `${questionText(result)}, from the ${result.place}`
      const question = questions.get(text) ?? { text, byNode: new Map<Node, Result[]>() }
      questions.set(text, question)
      question.byNode.set(node, [...(question.byNode.get(node) ?? []), result])
    }
  }
  const rows = [...questions.values()].map(({ text, byNode }) => {
    const cells = nodes.map((node) => cellOf(byNode.get(node) ?? []))
    const [first] = cells
    const alike = first !== undefined && cells.every((cell) => cell.text === first.text)
    const shown = alike
      ? html`<td colspan="${nodes.length}" class="${first.verdict}">${first.text}</td>`
      : cells.map((cell) => html`<td class="${cell.verdict}">${cell.text}</td>`)
    return html`<tr><th scope="row">${oneLine(text, 200)}</th>${shown}</tr>\n`
  })
  return html`<section><h2>All checks on all nodes</h2><div class="scroll" role="group" aria-label="All checks on all nodes" tabindex="0"><table class="data grid">
<thead><tr><th scope="col">Question</th>${nodes.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div></section>`
}

/** "✓ pass", or each family by itself where they differ; a family that does not apply is left out beside one that does. */
function cellOf(results: readonly Result[]): { readonly text: string; readonly verdict: Verdict | 'missing' } {
  const verdict = VERDICTS.find((one) => results.some((result) => result.verdict === one))
  if (verdict === undefined) return { text: 'not asked', verdict: 'missing' }
  const asked = results.filter((result) => result.verdict !== 'not-applicable' || verdict === 'not-applicable')
  const word = (one: Verdict) => SIGN[one].join(' ')
  if (asked.every((result) => result.verdict === verdict)) return { text: word(verdict), verdict }
  const each = asked.map((result) => {
    const family = familyOf(result)
    return `${family ? `IPv${family} ` : ''}${word(result.verdict)}`
  })
  return { text: [...new Set(each)].join(', '), verdict }
}
