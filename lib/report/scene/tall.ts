/** The scene for phones: the trunk from top to bottom, then the branches. */
import { html, type Markup } from '../markup.ts'
import {
  boxMarkup,
  branchLines,
  calloutsOf,
  fitted,
  heightOf,
  LINE,
  mtuText,
  stationLines,
  svgMarkup,
  textMarkup,
} from './parts.ts'
import type { Link, Scene } from './types.ts'
import { worstOf } from './ways.ts'
import { OF_LINK, SIGNS } from './words.ts'

const WIDTH = 320
/** Where the way runs beside its labels, and where the branches' boxes begin. */
const [RAIL, INDENT] = [28, 18]
const GAP = 34

/** The picture; `label` says what it shows. */
export function tallScene(scene: Scene, label: string): Markup {
  const parts: Markup[] = []
  const callouts = calloutsOf(scene)
  let y = 1
  let node: string | null = null
  scene.stations.forEach((station, index) => {
    if (station.node !== null && station.node !== node) {
      node = station.node
      parts.push(
        html`<g class="start">${textMarkup(fitted({ text: `node ${node}`, style: 'soft' }, WIDTH - 4), 2, y + 10)}</g>`,
      )
      y += LINE + 2
    }
    const lines = stationLines(scene, index)
    parts.push(boxMarkup(lines, { x: 1, y, width: WIDTH - 2, height: heightOf(lines) }, 'box'))
    y += heightOf(lines)
    const link = scene.links[index]
    if (!link) return
    const said = callouts
      .filter((callout) => callout.link === index)
      .flatMap((callout) => callout.lines.map(({ text }) => text))
    parts.push(linkMarkup(link, said, y))
    y += GAP + LINE * said.length
  })
  for (const { lines } of callouts.filter(({ link }) => link === null)) {
    for (const line of lines) {
      y += LINE
      parts.push(html`<g class="start">${textMarkup(fitted(line, WIDTH - 4), 2, y)}</g>`)
    }
    y += 4
  }
  const branches = branchesMarkup(scene, y + 6)
  return svgMarkup('tall', WIDTH, branches.bottom, label, [...parts, branches.markup])
}

function linkMarkup(link: Link, said: readonly string[], y: number): Markup {
  const state = worstOf(link.marks)
  const length = GAP + LINE * said.length
  const differ = link.marks.length > 1 || link.marks.some(({ families }) => families.length > 0)
  const words = link.marks.map(
    (mark) =>
      `${differ ? `${mark.families.map((family) => `IPv${family}`).join(' ')} ` : ''}${SIGNS[mark.state]} ${OF_LINK[mark.state]}`,
  )
  const texts = [`MTU ${mtuText(link)}, ${words.join(', ')}`, ...said]
  const middle = y + length / 2
  const way =
    state === 'broken'
      ? html`<path d="M${RAIL} ${y}V${middle - 7}" /><path class="beyond" d="M${RAIL} ${middle + 7}V${y + length - 1}" />`
      : html`<path class="way" d="M${RAIL} ${y}V${y + length - 1}" />`
  const cross = said.length > 0 && html`<path class="stop" d="M${RAIL - 5} ${middle - 5}l10 10m0 -10l-10 10" />`
  return html`<g class="${state}">${way}<path d="M${RAIL - 4} ${y + length - 6}l4 5l4 -5" />${cross}</g><g class="start">${texts.map(
    (text, index) =>
      textMarkup(
        fitted({ text, ...(index === 0 ? {} : { style: state }) }, WIDTH - RAIL - 18),
        RAIL + 16,
        middle + 4 + LINE * (index - said.length / 2),
      ),
  )}</g>`
}

function branchesMarkup(scene: Scene, top: number): { markup: Markup; bottom: number } {
  let y = top + LINE
  if (scene.branches.length === 0) return { markup: html``, bottom: top }
  const parts = scene.branches.map((branch) => {
    const lines = branchLines(scene, branch)
    const height = heightOf(lines)
    const box = boxMarkup(lines, { x: INDENT, y, width: WIDTH - INDENT - 1, height }, 'box')
    const markup = html`<g class="${worstOf(branch.marks)}"><path class="way" d="M6 ${y + height / 2}H${INDENT}" />${box}</g>`
    y += height + 8
    return { markup, middle: y - 8 - height / 2 }
  })
  const title = textMarkup(fitted({ text: `also by way of node ${scene.node}`, style: 'soft' }, WIDTH - 4), 2, top + 6)
  return {
    markup: html`<g class="start">${title}</g><path class="bus" d="M6 ${top + 12}V${parts.at(-1)?.middle ?? top}" />${parts.map(({ markup }) => markup)}`,
    bottom: y,
  }
}
