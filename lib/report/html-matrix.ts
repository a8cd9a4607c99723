/** Who reaches whom, as tables of nodes by nodes, or of zones by zones where there are many; and what is set differently. */
import type { ClusterPart, Family, NodeDifference, NodePair } from '../types.ts'
import { formatNumber } from './evidence.ts'
import { SIGN } from './html-checks.ts'
import { html, type Markup } from './markup.ts'
import { count, oneLine, shortened } from './text.ts'

type Between = NodePair['between']

const TITLES: Readonly<Record<Between, string>> = {
  nodes: 'Nodes, by their own addresses',
  pods: 'Pods of one node to pods of another',
}

/** More nodes than these are no table that a person reads. */
const MOST_NODES = 60
/** Characters of a node's name over a column. */
const NAME = 28

type Look = 'pass' | 'warn' | 'fail' | 'inconclusive'

/** The section, where anything was asked between nodes; `limit` nodes at most have a row and a column. */
export function matricesMarkup(part: ClusterPart, limit: number): Markup | null {
  if (part.pairs.length === 0) return null
  const tables = (['pods', 'nodes'] as const).map((between) => {
    const pairs = part.pairs.filter((pair) => pair.between === between)
    return pairs.length === 0 ? null : matrixMarkup(between, pairs, part, limit)
  })
  return html`<section><h2>Who reaches whom</h2>
<p class="seen">Rows ask, columns are asked. ${legend()} Round trips in ms.</p>
${tables}</section>`
}

const legend = (): string =>
  `${SIGN.pass[0]} reached, ${SIGN.warn[0]} with a warning, ${SIGN.fail[0]} not reached or large packets lost, ${SIGN.inconclusive[0]} not known, empty: not asked.`

function matrixMarkup(between: Between, pairs: readonly NodePair[], part: ClusterPart, limit: number): Markup {
  const most = Math.min(limit, MOST_NODES)
  const names = part.nodes.map(({ node }) => node)
  if (names.length <= most) return gridMarkup(TITLES[between], names, names, pairs)
  const bad = pairs.filter((pair) => lookOf(pair) === 'fail')
  const [rows, columns] = [
    busiest(
      bad.map(({ from }) => from),
      most,
    ),
    busiest(
      bad.map(({ to }) => to),
      most,
    ),
  ]
  const all = new Set(bad.flatMap(({ from, to }) => [from, to])).size
  const shown = new Set([...rows, ...columns]).size
  const title = `${TITLES[between]}: only nodes with trouble${shown < all ? `, ${shown} of ${all} of them` : ''}`
  return html`${zonesMarkup(between, pairs, part)}${rows.length > 0 && gridMarkup(title, rows, columns, pairs)}`
}

/** The names that are there most often, in order of names. */
function busiest(names: readonly string[], most: number): string[] {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  const chosen = [...counts].toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, most)
  return chosen.map(([name]) => name).toSorted()
}

function gridMarkup(
  title: string,
  rows: readonly string[],
  columns: readonly string[],
  pairs: readonly NodePair[],
): Markup {
  const byEnds = new Map<string, NodePair[]>()
  for (const pair of pairs) {
    const key = `${pair.from}\n${pair.to}`
    byEnds.set(key, [...(byEnds.get(key) ?? []), pair])
  }
  const usual = usualMtu(pairs)
  const cells = (from: string) =>
    columns.map((to) => (from === to ? html`<td class="self"></td>` : cellMarkup(byEnds.get(`${from}\n${to}`), usual)))
  const caption = `${title}${usual === null ? '' : `; path MTU ${usual} bytes where nothing else is said`}`
  return html`<div class="scroll" role="group" aria-label="${oneLine(title)}" tabindex="0"><table class="data matrix"><caption>${oneLine(caption)}</caption>
<thead><tr><td></td>${columns.map((name) => html`<th scope="col">${shortened(name, NAME)}</th>`)}</tr></thead>
<tbody>${rows.map((name) => html`<tr><th scope="row">${shortened(name, NAME)}</th>${cells(name)}</tr>\n`)}</tbody></table></div>`
}

function usualMtu(pairs: readonly NodePair[]): number | null {
  const counts = new Map<number, number>()
  for (const { mtu } of pairs) if (mtu !== null) counts.set(mtu, (counts.get(mtu) ?? 0) + 1)
  return [...counts].toSorted((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0] ?? null
}

function lookOf({ reached, code }: NodePair): Look {
  if (reached === null) return 'inconclusive'
  if (!reached || code?.startsWith('PATH_MTU_')) return 'fail'
  return code === null ? 'pass' : 'warn'
}

const LOOKS: readonly Look[] = ['fail', 'inconclusive', 'warn', 'pass']

/** "✓ 0.4", or each family by itself where they differ; the path MTU where it is not the usual one. */
function cellMarkup(pairs: readonly NodePair[] | undefined, usual: number | null): Markup {
  if (!pairs) return html`<td></td>`
  const looks = pairs.map(lookOf)
  const worst = LOOKS.find((look) => looks.includes(look)) ?? 'inconclusive'
  const alike = looks.every((look) => look === worst)
  const signs = alike
    ? SIGN[worst][0]
    : pairs.map((pair) => `${familySign(pair.family)}${SIGN[lookOf(pair)][0]}`).join(' ')
  const times = pairs.flatMap(({ rttMs }) => rttMs ?? [])
  const sizes = [...new Set(pairs.flatMap(({ mtu }) => (mtu === null || mtu === usual ? [] : [mtu])))]
  const figures = [
    ...(times.length > 0 && worst !== 'fail' ? [formatNumber(Number(Math.max(...times).toPrecision(2)))] : []),
    ...sizes.map((size) => `MTU ${size}`),
  ]
  return html`<td class="${worst}">${signs}${figures.length > 0 && html` <span>${figures.join(', ')}</span>`}</td>`
}

const familySign = (family: Family): string => `v${family}`

/** "reached of asked" between each two zones. */
function zonesMarkup(between: Between, pairs: readonly NodePair[], { nodes }: ClusterPart): Markup {
  const zoneOf = new Map(nodes.map(({ node, zone }) => [node, zone ?? 'no zone']))
  const zones = busiest([...zoneOf.values()], MOST_NODES)
  const ways = new Map<string, NodePair[]>()
  for (const pair of pairs) {
    const key = `${zoneOf.get(pair.from)}\n${zoneOf.get(pair.to)}`
    const known = ways.get(key)
    if (known) known.push(pair)
    else ways.set(key, [pair])
  }
  const title = `${TITLES[between]}: ${count(nodes.length, 'node')} by zone`
  const usual = usualMtu(pairs)
  const caption = `${title}; pairs that are sound, of those asked, and the middle round trip${usual === null ? '' : `; path MTU ${usual} bytes where nothing else is said`}`
  return html`<div class="scroll" role="group" aria-label="${oneLine(title)}" tabindex="0"><table class="data matrix"><caption>${oneLine(caption)}</caption>
<thead><tr><td></td>${zones.map((zone) => html`<th scope="col">${shortened(zone, NAME)}</th>`)}</tr></thead>
<tbody>${zones.map(
    (from) =>
      html`<tr><th scope="row">${shortened(from, NAME)}</th>${zones.map((to) => zoneCell(ways.get(`${from}\n${to}`), usual))}</tr>\n`,
  )}</tbody></table></div>`
}

function zoneCell(pairs: readonly NodePair[] | undefined, usual: number | null): Markup {
  if (!pairs) return html`<td></td>`
  const looks = pairs.map(lookOf)
  const worst = LOOKS.find((look) => looks.includes(look)) ?? 'inconclusive'
  const sound = looks.filter((look) => look === 'pass' || look === 'warn').length
  const times = pairs.flatMap(({ rttMs }) => rttMs ?? []).toSorted((a, b) => a - b)
  const middle = times[Math.floor(times.length / 2)]
  const sizes = pairs.flatMap(({ mtu }) => (mtu === null || mtu === usual ? [] : [mtu]))
  const figures = [
    ...(middle === undefined ? [] : [formatNumber(Number(middle.toPrecision(2)))]),
    ...(sizes.length === 0 ? [] : [`MTU from ${sizes.reduce((a, b) => Math.min(a, b))}`]),
  ]
  return html`<td class="${worst}">${SIGN[worst][0]} ${sound} of ${pairs.length}${figures.length > 0 && html` <span>${figures.join(', ')}</span>`}</td>`
}

/** Names that a row lists. */
const LISTED = 12

/** The section, where nodes differ in anything that all of them have. */
export function differencesMarkup(differences: readonly NodeDifference[], limit: number): Markup | null {
  const shown = differences.slice(0, limit)
  const more = differences.length - shown.length
  if (differences.length === 0) return null
  const rows = shown.map(({ topic, name, usual, usualNodes, others }) => {
    const other = others.map(({ value, nodes }) => {
      const names = nodes
        .slice(0, LISTED)
        .map((node) => oneLine(node, 80))
        .join(', ')
      const rest = nodes.length > LISTED ? ` and ${nodes.length - LISTED} more` : ''
      return html`<li>${oneLine(String(value), 120)} <span class="seen">${names}${rest}</span></li>`
    })
    return html`<tr><th scope="row">${oneLine(`${topic}: ${name}`, 120)}</th><td data-label="Usual">${oneLine(String(usual), 120)} <span class="seen">${count(usualNodes, 'node')}</span></td><td data-label="Elsewhere"><ul class="plain">${other}</ul></td></tr>\n`
  })
  return html`<section><h2>Set differently</h2>
${
  rows.length > 0 &&
  html`<table class="sheet differing"><thead><tr>${['What', 'Usual', 'Elsewhere'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table>`
}${more > 0 && html`<p class="seen">${rows.length > 0 ? `and ${more} more` : count(more, 'difference')} in the JSON report</p>`}</section>`
}
