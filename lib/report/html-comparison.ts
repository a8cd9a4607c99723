/** The comparison with earlier runs as a section of the page; a check's line leads to its evidence. */
import type { Report } from '../types.ts'
import { type ComparisonLine, type ComparisonPart, comparisonParts, comparisonSentence } from './comparison.ts'
import { type Anchors, badge } from './html-checks.ts'
import { commands } from './html-evidence.ts'
import { html, type Markup } from './markup.ts'
import { minuteOf, oneLine } from './text.ts'

/** Lines of a part that stand before the fold. */
const FOLD_AFTER = 12

const LOOK: Record<ComparisonPart['kind'], string> = {
  new: 'fail',
  worse: 'fail',
  known: 'warn',
  'new-warning': 'warn',
  unanswered: 'inconclusive',
  fixed: 'pass',
  unsteady: 'warn',
  state: '',
  notes: '',
}

/** null: nothing was compared. */
export function comparisonMarkup(report: Report, anchors: Anchors): Markup | null {
  if (!report.comparison) return null
  const ids = new Map([...anchors].map(([{ id }, anchor]) => [id, anchor]))
  return html`<section id="comparison"><h2>Beside earlier runs</h2>
<p>${comparisonSentence(report.comparison)}</p>
${comparisonParts(report).map((part) => partMarkup(part, ids))}${historyMarkup(report)}</section>\n`
}

function partMarkup({ kind, title, lines, remedies }: ComparisonPart, ids: ReadonlyMap<string, string>): Markup {
  const list = (some: readonly ComparisonLine[]) =>
    html`<ul class="where">${some.map((line) => lineMarkup(line, ids))}</ul>`
  const rest = lines.slice(FOLD_AFTER)
  return html`<article class="card ${LOOK[kind]}"><h3>${title}: ${lines.length}</h3>${list(lines.slice(0, FOLD_AFTER))}${
    rest.length > 0 && html`<details><summary>and ${rest.length} more</summary>${list(rest)}</details>`
  }${
    remedies.length > 0 &&
    html`<dl class="says"><dt class="do">Do this</dt>${remedies.map((remedy) => html`<dd>${commands(remedy)}</dd>`)}</dl>`
  }</article>\n`
}

function lineMarkup({ text, code, id }: ComparisonLine, ids: ReadonlyMap<string, string>): Markup {
  const anchor = id === undefined ? undefined : ids.get(id)
  const shown = oneLine(text, 600)
  return html`<li>${code && html`<span class="code">${code}</span> `}${anchor ? html`<a href="#${anchor}">${shown}</a>` : shown}</li>`
}

/** The earlier runs and this one, oldest first. */
function historyMarkup({ comparison, started, verdict, node }: Report): Markup | null {
  const baselines = comparison?.baselines ?? []
  if (baselines.length === 0) return null
  const runs = [...baselines, { started, verdict, node }]
  return html`<table class="data"><caption>History</caption>
<thead><tr><th scope="col">Run</th><th scope="col">Node</th><th scope="col">Verdict</th></tr></thead>
<tbody>${runs.map(
    (run, index) =>
      html`<tr><td>${minuteOf(run.started)}${index === runs.length - 1 && ' (this run)'}</td><td>${run.node}</td><td>${badge(run.verdict, run.verdict)}</td></tr>`,
  )}</tbody></table>`
}
