/** Evidence and targets as HTML, capped: the JSON report beside the page holds everything. */
import type { Evidence, Target } from '../types.ts'
import { cappedRows, evidenceValue, figuresText, formatCell, formatHop, formatTarget, isMeasured } from './evidence.ts'
import { html, type Markup } from './markup.ts'
import { oneLine } from './text.ts'

type Table = Extract<Evidence, { kind: 'table' }>
type Path = Extract<Evidence, { kind: 'path' }>

/** Scalars and samples as pairs, then paths, then tables with at most `limit` rows. */
export function evidenceMarkup(evidence: readonly Evidence[], limit: number): Markup {
  const pairs = evidence.filter((item) => item.kind === 'scalar' || item.kind === 'samples')
  return html`${
    pairs.length > 0 &&
    html`<dl class="pairs">${pairs.map(
      (item) => html`<dt>${oneLine(item.name, 120)}</dt><dd>${oneLine(evidenceValue(item))}</dd>`,
    )}</dl>`
  }${evidence.map((item) => {
    if (item.kind === 'path') return pathMarkup(item)
    return item.kind === 'table' ? tableMarkup(item, limit) : null
  })}`
}

function pathMarkup(path: Path): Markup {
  const figures = isMeasured(path) ? `: ${figuresText(path)}` : ''
  return html`<p class="seen">${oneLine(path.name)}${figures}</p><ol class="path">${path.hops.map(
    (hop) => html`<li>${formatHop(hop)}</li>`,
  )}</ol>`
}

function tableMarkup(table: Table, limit: number): Markup {
  const { rows, omitted } = cappedRows(table, limit)
  const total = rows.length + omitted
  const caption = omitted > 0 ? `${table.name}: ${rows.length} of ${total} rows, ${omitted} omitted` : table.name
  if (rows.length === 0) return html`<p class="seen">${oneLine(caption)}</p>`
  return html`<div class="scroll" role="group" aria-label="${oneLine(table.name)}" tabindex="0"><table class="data">
<caption>${oneLine(caption)}</caption>
<thead><tr>${table.columns.map((column) => html`<th scope="col">${oneLine(column)}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${formatCell(cell)}</td>`)}</tr>\n`)}</tbody></table></div>`
}

/** What was asked, at most `limit` targets. */
export function targetMarkup(targets: readonly Target[], limit: number): Markup | null {
  if (targets.length === 0) return null
  const shown = targets.slice(0, limit)
  const omitted = targets.length - shown.length
  return html`<p class="seen">Asked:</p><ul class="plain">${shown.map((target) => html`<li>${formatTarget(target)}</li>`)}${
    omitted > 0 && html`<li>${shown.length > 0 ? `and ${omitted} more` : `${omitted} targets`}</li>`
  }</ul>`
}

/** Text in which `backticks` mark commands. */
export function commands(text: string): Markup {
  const parts = oneLine(text, 1200).split('`')
  // an odd number of marks is no markup
  if (parts.length % 2 === 0) return html`${oneLine(text, 1200)}`
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`
}
