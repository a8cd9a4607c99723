/** What the wide and the tall picture share: lines of text, boxes, and how a link is drawn. Nothing is told by colour alone. */
import { html, type Markup } from '../markup.ts'
import { shortened } from '../text.ts'
import { linkOfStop } from './links.ts'
import type { Branch, Link, Scene, State, Station, Stop } from './types.ts'
import { worstOf } from './ways.ts'
import { endTexts, familiesText, placeText, SIGNS, stopText } from './words.ts'

/** Pixels of the picture's own measure: the next line of its 11 px type, a box's rim. */
export const [LINE, PADDING] = [14, 8]

export interface Line {
  readonly text: string
  readonly style?: 'name' | 'soft' | State
}

const round = (length: number): number => Math.round(length * 10) / 10

/** A line's width in pixels, of a wide font: capitals and what is beyond Latin are wider. */
export function lengthOf({ text, style }: Line): number {
  const [small, capital] = style === undefined || style === 'soft' ? [6.4, 7.4] : [7, 8.1]
  return [...text].reduce(
    (sum, one) => sum + (one > '\u2fff' ? 13 : /[A-Z_MW\u2000-\u2fff]/.test(one) ? capital : small),
    0,
  )
}

/** The line, short enough for `width`; both ends of its text are kept. */
export function fitted(line: Line, width: number): Line {
  // no character is narrower than 6 pixels
  let most = Math.ceil(width / 6)
  let shown = { ...line, text: shortened(line.text, most) }
  while (lengthOf(shown) > width && most > 3) shown = { ...line, text: shortened(line.text, --most) }
  return shown
}

export const heightOf = (lines: readonly Line[]): number => 2 * PADDING + LINE * lines.length - 2

export const textMarkup = ({ text, style }: Line, x: number, y: number): Markup =>
  html`<text x="${round(x)}" y="${round(y)}"${style && html` class="${style}"`}>${text}</text>`

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export const rectMarkup = ({ x, y, width, height }: Box, style: string): Markup =>
  html`<rect class="${style}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="5" />`

/** A box with its lines, each in the middle. */
export function boxMarkup(lines: readonly Line[], box: Box, style: string): Markup {
  const top = box.y + (box.height - LINE * lines.length) / 2 + 10.5
  return html`${rectMarkup(box, style)}${lines.map((line, index) =>
    textMarkup(fitted(line, box.width - PADDING), box.x + box.width / 2, top + LINE * index),
  )}`
}

/** What a station is, who, and, at the end of the trunk, what it answers. */
export function stationLines(scene: Scene, index: number): Line[] {
  const { role, name, notes } = scene.stations[index] as Station
  const isEnd = index === scene.stations.length - 1 && scene.end !== null
  const about = isEnd ? [...notes.slice(0, 2), ...(scene.end?.notes ?? [])] : notes.slice(0, 3)
  return [
    { text: role, style: 'soft' },
    { text: name, style: 'name' },
    ...about.map((text) => ({ text })),
    ...(isEnd && scene.end ? answerLines(scene.end) : []),
  ]
}

/** Whom a branch leads to, what is answered, and which finding says why not. */
export function branchLines(scene: Scene, branch: Branch): Line[] {
  const { id, role, name, notes, marks } = branch
  const stops = scene.stops.filter(({ way }) => way === id)
  const [stop] = stops
  const more = new Set(stops.map(({ finding }) => finding.code)).size - 1
  return [
    { text: role, style: 'soft' },
    ...(name ? [{ text: name, style: 'name' as const }] : []),
    ...notes.map((text) => ({ text })),
    ...answerLines(branch),
    ...(stop && worstOf(marks) !== 'answers'
      ? [
          { text: `${stop.finding.code}${more > 0 ? ` +${more}` : ''}`, style: worstOf(marks) },
          { text: placeText(stop, scene) },
        ]
      : []),
  ]
}

const answerLines = ({ marks, mtu }: Pick<Branch, 'marks' | 'mtu'>): Line[] => [
  ...endTexts(marks).map((text, index) => ({ text, style: marks[index]?.state ?? ('unknown' as const) })),
  ...(mtu === null ? [] : [{ text: `path MTU ${mtu}` }]),
]

export const mtuText = ({ mtu, farMtu }: Link): string =>
  `${mtu ?? '?'}${farMtu === undefined ? '' : `\u2260${farMtu}`}`

/** Signs at a link that is not plainly sound: of each family by itself where they differ. */
export function signLines({ marks }: Link): Line[] {
  const differ = marks.some(({ families }) => families.length > 0)
  return marks
    .filter(({ state }) => differ || state === 'unknown' || state === 'not-asked')
    .map(({ state, families }) => ({
      text: `${families.map((family) => `v${family}`).join(' ')} ${SIGNS[state]}`.trim(),
      style: state,
    }))
}

/** What ends at one place of the trunk, and by which finding. */
export interface Callout {
  /** Index of the link; null: at the end, or where is not known. */
  readonly link: number | null
  readonly lines: readonly Line[]
  readonly state: State
}

/** Stops of the trunk, those at one link together. */
export function calloutsOf(scene: Scene): Callout[] {
  const byLink = new Map<number | null, Stop[]>()
  for (const stop of scene.stops) {
    if (stop.way !== 'trunk') continue
    const link = linkOfStop(stop, scene.stations)
    byLink.set(link, [...(byLink.get(link) ?? []), stop])
  }
  return [...byLink].map(([link, stops]) => {
    const marks = link === null ? (scene.end?.marks ?? []) : (scene.links[link]?.marks ?? [])
    const state = worstOf(marks)
    const families = stops.some((stop) => stop.families.length === 0)
      ? scene.families
      : scene.families.filter((family) => stops.some((stop) => stop.families.includes(family)))
    const [first] = stops as [Stop]
    const who = families.length < scene.families.length ? `${familiesText(families)}: ` : ''
    const codes = [...new Set(stops.map(({ finding }) => finding.code))]
    const end = first.refused ? '' : ` end ${link === null ? 'somewhere' : 'here'}`
    return {
      ...{ link, state },
      lines: [
        { text: `${SIGNS.broken} ${who}${stopText(first, state === 'partly')}${end}`, style: 'broken' },
        { text: `${codes[0]}${codes.length > 1 ? ` and ${codes.length - 1} more` : ''}`, style: 'name' },
      ],
    }
  })
}

export const widthOf = (lines: readonly Line[]): number => Math.max(...lines.map(lengthOf)) + 2 * PADDING

export const svgMarkup = (
  style: string,
  width: number,
  height: number,
  label: string,
  parts: readonly Markup[],
): Markup =>
  html`<svg class="scene ${style}" role="img" aria-label="${label}" style="max-width:${Math.ceil(width)}px" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}">${parts}</svg>`
