/** The measured paths of the HTML report: a row of figures each, and the path drawn below it. */
import type { Result } from '../types.ts'
import { type Anchors, badge } from './html-checks.ts'
import { html, type Markup } from './markup.ts'
import { pathPicture } from './path-picture.ts'
import { type PathRow, pathRows } from './paths.ts'
import { oneLine } from './text.ts'

/** The section, when a path was measured; at most `limit` paths are drawn. */
export function pathsMarkup(results: readonly Result[], anchors: Anchors, limit: number): Markup | null {
  const rows = pathRows(results)
  if (rows.length === 0) return null
  return html`<section><h2>Path MTU</h2>
<table class="sheet paths"><caption class="seen">The largest IP packet in bytes: what the source is promised, and what reaches the end.</caption>
<thead><tr>${['Path', 'Family', 'Promised', 'Measured', 'Signalled by', 'Verdict'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
${rows.map((row, index) => rowMarkup(row, anchors, index < limit))}</table></section>\n`
}

function rowMarkup(row: PathRow, anchors: Anchors, drawn: boolean): Markup {
  const { from, to, family, promised, measured, signalledBy, verdict, path, result } = row
  const name = `from ${from} to ${to}`
  return html`<tbody><tr class="${verdict}"><th scope="row"><a href="#${anchors.get(result)}">${name}</a></th><td data-label="Family">${family}</td><td data-label="Promised">${promised}</td><td data-label="Measured">${measured}</td><td data-label="Signalled by" class="by">${oneLine(signalledBy ?? '-', 60)}</td><td>${badge(verdict)}</td></tr>
${drawn && html`<tr class="${verdict}"><td colspan="6" class="drawn"><div class="scroll" role="group" aria-label="${name}, ${family}" tabindex="0">${pathPicture(path)}</div></td></tr>\n`}</tbody>`
}
