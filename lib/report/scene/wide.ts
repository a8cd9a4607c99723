/** The scene for screens and paper: the trunk from left to right, the branches below it. */
import { html, type Markup } from '../markup.ts'
import { betweenNodes } from './links.ts'
import {
  boxMarkup,
  branchLines,
  type Callout,
  calloutsOf,
  fitted,
  heightOf,
  LINE,
  lengthOf,
  mtuText,
  rectMarkup,
  signLines,
  stationLines,
  svgMarkup,
  textMarkup,
  widthOf,
} from './parts.ts'
import type { Link, Scene } from './types.ts'
import { worstOf } from './ways.ts'

const BOX = 117
const BRANCH = { most: 220, gap: 12 } as const
/** Room around a node's stations, and for its name above them. */
const FRAME = { side: 8, top: 22, bottom: 8 } as const

interface Place {
  readonly x: number
  /** Of the link that leads on. */
  readonly link: number
}

/** The picture; `label` says what it shows. */
export function wideScene(scene: Scene, label: string): Markup {
  const places = placesOf(scene)
  const lines = scene.stations.map((_, index) => stationLines(scene, index))
  const height = Math.max(74, ...lines.map(heightOf))
  const trunkWidth = (places.at(-1)?.x ?? 0) + BOX + FRAME.side + 1
  const width = Math.max(trunkWidth, scene.branches.length * 150)
  const middle = FRAME.top + height / 2
  const below = FRAME.top + height + FRAME.bottom
  const callouts = calloutsMarkup(calloutsOf(scene), scene, places, { middle, top: below + 12, width })
  const branches = branchesMarkup(scene, places, callouts.bottom, width)
  const parts = [
    ...framesMarkup(scene, places, height),
    // the way down to the branches is drawn first: what lies upon it stays readable
    ...branches.lines,
    ...scene.links.map((link, index) => linkMarkup(link, places[index] as Place, middle)),
    ...lines.map((list, index) =>
      boxMarkup(list, { x: (places[index] as Place).x, y: FRAME.top, width: BOX, height }, 'box'),
    ),
    ...callouts.parts,
    ...branches.parts,
  ]
  return svgMarkup('wide', width, branches.bottom, label, parts)
}

function placesOf({ stations, links }: Scene): Place[] {
  const between = betweenNodes(stations)
  let x = FRAME.side + 1
  return stations.map((_, index) => {
    const label = links[index] ? mtuText(links[index]) : ''
    const link = Math.max(index === between ? 66 : 36, lengthOf({ text: label }) + 8)
    const place = { x, link }
    x += BOX + link
    return place
  })
}

/** One around the stations of each node. */
function framesMarkup({ stations }: Scene, places: readonly Place[], height: number): Markup[] {
  const nodes = [...new Set(stations.map(({ node }) => node))].filter((node) => node !== null)
  return nodes.map((node) => {
    const inside = places.filter((_, index) => stations[index]?.node === node)
    const x = (inside[0]?.x ?? 0) - FRAME.side
    const width = (inside.at(-1)?.x ?? 0) + BOX + FRAME.side - x
    const name = textMarkup(fitted({ text: `node ${node}`, style: 'soft' }, width - 12), x + 8, 14)
    return html`${rectMarkup({ x, y: 1, width, height: FRAME.top + height + FRAME.bottom - 1 }, 'frame')}<g class="start">${name}</g>`
  })
}

function linkMarkup(link: Link, { x, link: length }: Place, y: number): Markup {
  const state = worstOf(link.marks)
  const [start, end] = [x + BOX, x + BOX + length]
  const middle = (start + end) / 2
  const labels = html`${textMarkup({ text: 'MTU', style: 'soft' }, middle, y - 22)}${textMarkup({ text: mtuText(link) }, middle, y - 9)}${signLines(link).map((line, index) => textMarkup(line, middle, y + 18 + LINE * index))}`
  const head = html`<path d="M${end - 6} ${y - 4}l5 4l-5 4" />`
  if (state !== 'broken')
    return html`<g class="${state}"><path class="way" d="M${start} ${y}H${end - 1}" />${head}</g>${labels}`
  return html`<g class="${state}"><path d="M${start} ${y}H${middle - 6}" /><path class="beyond" d="M${middle + 6} ${y}H${end - 1}" />${head}</g>${labels}`
}

interface Part {
  readonly parts: readonly Markup[]
  readonly bottom: number
}

/** Below the place where packets end, one below the other where they would overlap. */
function calloutsMarkup(
  callouts: readonly Callout[],
  { stations }: Scene,
  places: readonly Place[],
  { middle, top, width: all }: { middle: number; top: number; width: number },
): Part {
  const rows: number[] = []
  const parts = callouts.map(({ link, lines }) => {
    const width = widthOf(lines)
    const height = heightOf(lines) - 4
    const at = places[link ?? stations.length - 1] as Place
    const centre = link === null ? at.x + BOX / 2 : at.x + BOX + at.link / 2
    const x = Math.min(Math.max(1, centre - width / 2), all - width - 1)
    let row = rows.findIndex((end) => end + 6 < x)
    if (row < 0) row = rows.push(0) - 1
    rows[row] = x + width
    const y = top + row * (height + 6)
    const from = link === null ? top - 12 : middle
    const cross = link !== null && html`<path class="stop" d="M${centre - 5} ${middle - 5}l10 10m0 -10l-10 10" />`
    return html`<g class="broken"><path class="leader" d="M${centre} ${from}V${y}" />${cross}${boxMarkup(lines, { x, y, width, height }, 'callout')}</g>`
  })
  return { parts, bottom: rows.length > 0 ? top + rows.length * (2 * LINE + 16) : top - 12 }
}

/** They leave where the packets of pods enter the node's stack. */
function branchesMarkup(
  scene: Scene,
  places: readonly Place[],
  top: number,
  all: number,
): Part & { lines: readonly Markup[] } {
  const { branches, stations } = scene
  if (branches.length === 0) return { parts: [], lines: [], bottom: top + 1 }
  const hub = stations.findLastIndex(({ kind, node }) => node === scene.node && kind !== 'tunnel' && kind !== 'uplink')
  const from = (places[hub] as Place).x + BOX / 2
  const lines = branches.map((branch) => branchLines(scene, branch))
  const height = Math.max(...lines.map(heightOf))
  const width = Math.min(BRANCH.most, (all - 2 - BRANCH.gap * (branches.length - 1)) / branches.length)
  const [bus, y] = [top + 12, top + 26]
  const centres = branches.map((_, index) => 1 + index * (width + BRANCH.gap) + width / 2)
  const [left, right] = [Math.min(from, ...centres), Math.max(from, ...centres)]
  return {
    lines: [html`<path class="bus" d="M${from} ${FRAME.top + 20}V${bus}M${left} ${bus}H${right}" />`],
    parts: branches.map((branch, index) => {
      const centre = centres[index] as number
      const state = worstOf(branch.marks)
      return html`<g class="${state}"><path class="way" d="M${centre} ${bus}V${y}" />${boxMarkup(lines[index] ?? [], { x: centre - width / 2, y, width, height }, 'box')}</g>`
    }),
    bottom: y + height + 1,
  }
}
