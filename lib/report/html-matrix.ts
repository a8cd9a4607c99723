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
  const names = part.nodes.map(({ node }) => node)
  if (names.length > Math.min(limit, MOST_NODES)) {
    return html`${zonesMarkup(between, pairs, part)}${troubleMarkup(between, pairs, Math.min(limit, MOST_TROUBLED))}`
  }
  const bad = troubled(pairs)
  const ordered = [...bad.keys(), ...names.filter((name) => !bad.has(name))]
  const title = `${TITLES[between]}${bad.size > 0 && names.length > FIRST_SIGHT ? ': those with trouble first' : ''}`
  return gridMarkup(title, names.length > FIRST_SIGHT ? ordered : names, pairs)
}

/** Nodes that have a row each where not all have. */
const MOST_TROUBLED = 40
/** Columns that are seen without moving the table. */
const FIRST_SIGHT = 16

/** Nodes at either end of pairs that fail, those with most of them first. */
function troubled(pairs: readonly NodePair[]): Map<string, readonly NodePair[]> {
  const byNode = new Map<string, NodePair[]>()
  for (const pair of pairs) {
    if (lookOf(pair) !== 'fail') continue
    for (const node of [pair.from, pair.to]) byNode.set(node, [...(byNode.get(node) ?? []), pair])
  }
  return new Map([...byNode].toSorted((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1)))
}

/** A row for each node with trouble: what of the answers it is in fails, and with whom. */
function troubleMarkup(between: Between, pairs: readonly NodePair[], most: number): Markup | null {
  const all = troubled(pairs)
  const shown = [...all].slice(0, most)
  if (all.size === 0) return null
  const title = `${TITLES[between]}: nodes with trouble`
  const rows = shown.map(([node, bad]) => {
    const share = (list: readonly NodePair[]) => {
      const failing = list.filter((pair) => lookOf(pair) === 'fail').length
      return `${failing} of ${list.length}`
    }
    const others = [...new Set(bad.map(({ from, to }) => (from === node ? to : from)))]
    const more = others.length > LISTED ? ` and ${others.length - LISTED} more` : ''
    const names = `${others
      .slice(0, LISTED)
      .map((name) => shortened(name, NAME))
      .join(', ')}${more}`
    return html`<tr class="fail"><th scope="row">${oneLine(node, 120)}<p class="seen">with ${names}</p></th><td data-label="Asked by others">${share(pairs.filter(({ to }) => to === node))}</td><td data-label="Asks others">${share(pairs.filter(({ from }) => from === node))}</td></tr>\n`
  })
  const rest = all.size - shown.length
  return html`<h3 class="over">${title}</h3>${
    rows.length > 0 &&
    html`<table class="sheet nodes"><thead><tr>${['Node', 'Fails when asked by others', 'Fails when it asks'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table>`
  }${rest > 0 && html`<p class="seen">${rows.length > 0 ? `and ${rest} more` : count(rest, 'node')} in the JSON report</p>`}`
}

function gridMarkup(title: string, names: readonly string[], pairs: readonly NodePair[]): Markup {
  const byEnds = new Map<string, NodePair[]>()
  for (const pair of pairs) {
    const key = `${pair.from}\n${pair.to}`
    byEnds.set(key, [...(byEnds.get(key) ?? []), pair])
  }
  const usual = usualMtu(pairs)
  const cells = (from: string) =>
    names.map((to) => (from === to ? html`<td class="self"></td>` : cellMarkup(byEnds.get(`${from}\n${to}`), usual)))
  return html`<h3 class="over">${oneLine(title)}</h3>${mtuText(usual)}<div class="scroll" role="group" aria-label="${oneLine(title)}" tabindex="0"><table class="data matrix">
<thead><tr><td></td>${names.map((name) => html`<th scope="col">${shortened(name, NAME)}</th>`)}</tr></thead>
<tbody>${names.map((name) => html`<tr><th scope="row">${shortened(name, NAME)}</th>${cells(name)}</tr>\n`)}</tbody></table></div>`
}

const mtuText = (usual: number | null): Markup | null =>
  usual === null ? null : html`<p class="seen">Path MTU ${usual} bytes where nothing else is said.</p>`

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
  const zones = [...new Set(zoneOf.values())].toSorted().slice(0, MOST_NODES)
  const ways = new Map<string, NodePair[]>()
  for (const pair of pairs) {
    const key = `${zoneOf.get(pair.from)}\n${zoneOf.get(pair.to)}`
    const known = ways.get(key)
    if (known) known.push(pair)
    else ways.set(key, [pair])
  }
  const title = `${TITLES[between]}: ${count(nodes.length, 'node')} by zone`
  const usual = usualMtu(pairs)
  return html`<h3 class="over">${oneLine(title)}</h3><p class="seen">Pairs that are sound, of those asked, and the middle round trip.</p>${mtuText(usual)}<div class="scroll" role="group" aria-label="${oneLine(title)}" tabindex="0"><table class="data matrix">
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
