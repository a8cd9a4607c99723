/** The picture of the path in the HTML report, and the same in words. */
import type { Report } from '../types.ts'
import { html, type Markup } from './markup.ts'
import { sceneOf } from './scene/index.ts'
import { tallScene } from './scene/tall.ts'
import { wideScene } from './scene/wide.ts'
import { familiesText, SIGNS, sceneLines, stopSentence } from './scene/words.ts'
import { oneLine } from './text.ts'

/** The section; null where nothing was asked that a picture could show. */
export function sceneMarkup(report: Report): Markup | null {
  const scene = sceneOf(report)
  if (scene === null) return null
  const first = scene.stations[0].name
  const last = scene.stations.length > 1 ? ` to ${scene.stations.at(-1)?.name}` : ''
  const label = oneLine(
    `Picture of the path from ${first}${last} over ${familiesText(scene.families)}; in words below it`,
  )
  const legend = `${SIGNS.answers} passes or answers, ${SIGNS.partly} in part, ${SIGNS.broken} not, ${SIGNS.unknown} not known, ${SIGNS['not-asked']} not asked; MTU in bytes`
  return html`<section><h2>The path over ${familiesText(scene.families)}</h2>
<div class="card">${wideScene(scene, label)}${tallScene(scene, label)}
<p class="seen">${legend}</p>
<details><summary>The path in words</summary><ul class="plain">${[...sceneLines(scene), ...scene.stops.map((stop) => stopSentence(stop, scene))].map((line) => html`<li>${oneLine(line, 600)}</li>`)}</ul></details></div></section>\n`
}
