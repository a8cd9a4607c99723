/** A measured path as a small drawing: its stations as boxes, the MTU of each link at its place, and where packets end. */
import type { Hop } from '../types.ts'
import { evidenceValue, type MeasuredPath } from './evidence.ts'
import { html, type Markup } from './markup.ts'
import { shortened } from './text.ts'

/** Lengths in pixels; a character is as wide as one of a wide font. */
const [CHARACTER, LINE, PADDING] = [7.2, 15, 11]
const LONGEST = 28
/** Lines of the lowest box: what stands at a link needs them too. */
const LINES = 3
const LINK = { whole: 90, broken: 112 } as const

interface Line {
  readonly text: string
  readonly style: 'name' | 'soft' | 'low' | ''
}

/** The drawing; its title says all of it in words. Nothing is told by colour alone. */
export function pathPicture(path: MeasuredPath): Markup {
  const { hops } = path
  const stations = hops.map((hop, index) => linesOf(hop, index === hops.length - 1, path.mtu.promised))
  const height = 2 * PADDING + LINE * Math.max(LINES, ...stations.map(({ length }) => length))
  const parts: Markup[] = []
  let x = 1
  stations.forEach((lines, index) => {
    const width = widthOf(lines)
    parts.push(stationMarkup(lines, x, width, height))
    x += width
    const hop = hops[index] as Hop
    if (index === hops.length - 1) return
    parts.push(linkMarkup(hop, path.mtu.promised, x, 1 + height / 2))
    x += linkWidth(hop)
  })
  const size = { width: x + 1, height: height + 2 }
  return html`<svg class="picture" role="img" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}"><title>${evidenceValue(path)}</title>${parts}</svg>`
}

function linesOf({ name, address, note, mtu }: Hop, last: boolean, promised: number): Line[] {
  const lines: readonly (Line | false | undefined)[] = [
    { text: name, style: 'name' },
    address !== undefined && address !== name && { text: address, style: '' },
    note !== undefined && { text: note, style: 'soft' },
    last && mtu !== undefined && { text: `path MTU ${mtu}`, style: mtu < promised ? 'low' : '' },
  ]
  return lines.flatMap((line) => (line ? [{ ...line, text: shortened(line.text, LONGEST) }] : []))
}

/** Wide enough for its longest line; a character beyond ASCII may be twice as wide. */
function widthOf(lines: readonly Line[]): number {
  const cells = lines.map(({ text }) => [...text].reduce((sum, character) => sum + (character > '~' ? 2 : 1), 0))
  return Math.round(Math.max(...cells) * CHARACTER) + 2 * PADDING
}

function stationMarkup(lines: readonly Line[], x: number, width: number, height: number): Markup {
  const top = 1 + (height - LINE * lines.length) / 2
  return html`<rect x="${x}" y="1" width="${width}" height="${height}" rx="5" />${lines.map(({ text, style }, index) =>
    textMarkup(text, x + width / 2, top + LINE * index + 11, style),
  )}`
}

const linkWidth = ({ stops }: Hop): number => (stops ? LINK.broken : LINK.whole)

/** The line to the next station; where packets end it is crossed out, and goes on dashed. */
function linkMarkup(hop: Hop, promised: number, x: number, y: number): Markup {
  const end = x + linkWidth(hop)
  const middle = (x + end) / 2
  const low = hop.mtu !== undefined && hop.mtu < promised
  const label = textMarkup(`MTU ${hop.mtu ?? '?'}`, middle, y - 11, low ? 'low' : '')
  const head = `M${end - 7} ${y - 4}l6 4l-6 4`
  if (!hop.stops) return html`${label}<path d="M${x} ${y}H${end - 1}${head}" />`
  return html`${label}<path d="M${x} ${y}H${middle - 8}" /><path class="beyond" d="M${middle + 8} ${y}H${end - 1}" /><path d="${head}" />
<path class="stop" d="M${middle - 6} ${y - 6}l12 12m0 -12l-12 12" />${textMarkup('larger packets', middle, y + 18, 'low')}${textMarkup('end here', middle, y + 30, 'low')}`
}

const textMarkup = (text: string, x: number, y: number, style: Line['style']): Markup =>
  html`<text x="${x}" y="${y}"${style && html` class="${style}"`}>${text}</text>`
