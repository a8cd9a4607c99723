/** What a group of failing pairs is said as. Pure. */
import type { Code, NodePair } from '../types.ts'
import { type Group, isOfNode, type Scope, suffers } from './cover.ts'
import { commonest, count, namesText, nodesText } from './lists.ts'

/** What stands around a group. */
export interface Scene {
  /** All pairs of the run. */
  readonly pairs: readonly NodePair[]
  /** "VXLAN (UDP 8472)", as the nodes' own findings say it; null: they do not. */
  readonly wire: string | null
  /** Which way the node itself drops it, where it says so. */
  readonly drops: 'in' | 'out' | null
  /** Nodes that gave no report. */
  readonly silent: ReadonlySet<string>
}

const CODES: Readonly<Record<Scope, Code>> = {
  to: 'NODE_UNREACHED_BY_ALL',
  from: 'NODE_REACHES_NOBODY',
  node: 'NODE_CUT_OFF',
  every: 'NODES_CUT',
  'zone-to': 'ZONES_CUT',
  'zone-pair': 'ZONES_CUT',
  inside: 'ZONE_BROKEN_INSIDE',
  zone: 'ZONE_CUT_OFF',
  'zone-all': 'ZONE_CUT_OFF',
  pairs: 'PAIRS_UNREACHED',
}

/** `own`: codes with which the nodes themselves tell it. */
export function codeOf({ trouble, scope, failing }: Group, own: readonly Code[]): Code {
  if (trouble === 'loss') return 'PACKET_LOSS'
  if (trouble === 'size') return commonest(failing.flatMap(({ code }) => code ?? [])) ?? 'PATH_MTU_BLACK_HOLE'
  const [only] = new Set(own)
  // who has nothing in common but the cause is best told by the cause
  if ((scope === 'every' || scope === 'pairs') && only !== undefined && new Set(own).size === 1) return only
  return CODES[scope]
}

/** One sentence: where, and how it is known. */
export function sentenceOf(group: Group, scene: Scene): string {
  const said = group.trouble === 'unreached' ? unreached(group, scene) : partly(group, scene)
  return `${said}${only(group, scene)}.`
}

function unreached(group: Group, scene: Scene): string {
  const { scope, of, failing, asked, whole } = group
  const [a = '', b = ''] = of
  const who = pods(group) ? 'pods' : 'nodes'
  const by = scene.wire === null ? '' : ` by ${scene.wire}`
  const over = overText(group, scene)
  const all = (n: number, m: number, noun: string) =>
    whole ? `none of ${count(m, noun)}` : `only ${m - n} of ${count(m, noun)}`
  const pairs = all(numberOf(failing), numberOf(asked), 'pair')
  if (isOfNode(scope) && of.length > 1)
    return `${ofMany(group, scene, by)}${over}: ${pairs} of nodes that ${ASKED[scope]} answered`
  switch (scope) {
    case 'to':
      return `Nobody reaches ${pods(group) ? `the pods of node ${a}` : `node ${a}`}${by}${over}: ${askers(group, a)}${itself(group, a, scene)}`
    case 'from':
      return `Node ${a} reaches ${pods(group) ? "nobody's pods" : 'nobody'}${by}${over}: ${asking(group, a)}`
    case 'node':
      return `Node ${a} ${exchange(group, scene)}${over}: ${askers(group, a)}, and ${asking(group, a)}`
    case 'every':
      return `${whole ? 'No' : 'Hardly any'} node reaches the ${who} of another${by}${over}: ${pairs} that asked ${whole ? 'was' : 'were'} answered`
    case 'zone-to':
      return `Zone ${a} does not reach zone ${b}${by}${over}: ${pairs} of nodes answered`
    case 'zone-pair':
      return `Zones ${a} and ${b} do not reach each other${by}${over}: ${pairs} of nodes across them answered`
    case 'inside':
      return `The nodes of zone ${a} do not reach each other${by}${over}: ${pairs} inside it answered`
    case 'zone':
      return `Zone ${a} is cut off from all other zones${by}${over}: ${pairs} of nodes across answered`
    case 'zone-all':
      return `In zone ${a}, into it and out of it nothing is reached${by}${over}: ${pairs} of nodes answered`
    case 'pairs':
      return `${pairList(failing)}${by}${over}: ${numberOf(failing)} of ${count(numberOf(asked), 'pair')} of nodes`
  }
}

/** Of several nodes what is said of one. */
function ofMany(group: Group, scene: Scene, by: string): string {
  const { scope, of } = group
  const [names, their] = [nodesText(of), pods(group) ? "nobody's pods" : 'nobody']
  if (scope === 'to') return `Nobody reaches ${pods(group) ? 'the pods of ' : ''}${names}${by}`
  const who = `${names[0]?.toUpperCase()}${names.slice(1)}`
  return scope === 'from' ? `${who} reach ${their}${by}` : `${who} ${exchange(group, scene, 'exchange')}`
}

/** "cannot receive VXLAN (UDP 8472) from anyone" */
function exchange(group: Group, { wire, drops }: Scene, verb = 'exchanges'): string {
  const what = wire ?? (pods(group) ? 'packets of pods' : 'packets')
  if (drops === 'in') return `cannot receive ${what} from anyone`
  return drops === 'out' ? `cannot send ${what} to anyone` : `${verb} no ${what} with anyone`
}

/** "none of 12 pairs of nodes that end there answered" */
const ASKED: Readonly<Partial<Record<Scope, string>>> = {
  to: 'end there',
  from: 'begin there',
  node: 'include one of them',
}

function askers({ failing, asked, whole }: Group, node: string): string {
  const all = new Set(asked.filter(({ to }) => to === node).map(({ from }) => from)).size
  const bad = new Set(failing.filter(({ to }) => to === node).map(({ from }) => from)).size
  return whole
    ? `none of the ${count(all, 'node')} that asked it was answered`
    : `${bad} of ${count(all, 'node')} that asked it were not answered`
}

function asking({ failing, asked, whole }: Group, node: string): string {
  const all = new Set(asked.filter(({ from }) => from === node).map(({ to }) => to)).size
  const bad = new Set(failing.filter(({ from }) => from === node).map(({ to }) => to)).size
  return whole
    ? `none of the ${count(all, 'node')} that it asked answered`
    : `${bad} of ${count(all, 'node')} that it asked did not answer`
}

/** What the node that nobody reaches does itself. */
function itself({ cells }: Group, node: string, { pairs, silent }: Scene): string {
  if (silent.has(node)) return `; it gave no report itself`
  const own = pairs.filter((pair) => pair.from === node && cells.includes(`${pair.between} ${pair.family}`))
  const reached = new Set(own.filter((pair) => pair.reached).map(({ to }) => to)).size
  const all = new Set(own.map(({ to }) => to)).size
  return all === 0 ? '' : `, while it reaches ${reached} of ${all} itself`
}

/** Large packets, or some of all. */
function partly(group: Group, { pairs: all }: Scene): string {
  const { trouble, failing, asked } = group
  const pairs = `${numberOf(failing)} of ${count(numberOf(asked), 'pair')} of nodes`
  if (trouble === 'loss') return `Packets ${way(group)} are lost again and again${familyText(group)}: ${pairs}`
  const sizes = failing.flatMap(({ mtu }) => mtu ?? [])
  const sound = all.filter((pair) => suffers(pair, 'size') === false)
  const usual = commonest(sound.flatMap(({ mtu }) => mtu ?? []))
  const least = sizes.length === 0 ? '' : `, at most ${rangeText(sizes)} bytes pass`
  return `Large packets ${way(group)} are lost${familyText(group)}: ${pairs}${least}${usual === null ? '' : `, others carry ${usual}`}`
}

const rangeText = (sizes: readonly number[]): string => {
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)]
  return low === high ? `${low}` : `${low} to ${high}`
}

function way(group: Group): string {
  const { scope, of, failing } = group
  const [a = '', b = ''] = of
  switch (scope) {
    case 'to':
      return `to the pods of ${nodesText(of)}`
    case 'from':
      return `from the pods of ${nodesText(of)}`
    case 'node':
      return `to and from the pods of ${nodesText(of)}`
    case 'every':
      return 'between all nodes'
    case 'zone-to':
      return `from zone ${a} to zone ${b}`
    case 'zone-pair':
      return `between zones ${a} and ${b}`
    case 'inside':
      return `inside zone ${a}`
    case 'zone':
      return `between zone ${a} and all others`
    case 'zone-all':
      return `inside, into and out of zone ${a}`
    case 'pairs':
      return `from ${namesText(waysOf(failing), 3)}`
  }
}

const pods = ({ cells }: Group): boolean => cells.every((cell) => cell.startsWith('pods'))

/** " over IPv6" where that is not all that was asked. */
function overText(group: Group, { pairs }: Scene): string {
  const families = new Set(pairs.map(({ family }) => family))
  return families.size > 1 ? familyText(group) : ''
}

function familyText({ cells }: Group): string {
  const families = new Set(cells.map((cell) => cell.at(-1)))
  const [only] = families
  return families.size === 1 ? ` over IPv${only}` : ''
}

/** What is sound beside it: the other family, the nodes by themselves. */
function only({ cells, failing, trouble }: Group, { pairs }: Scene): string {
  if (trouble !== 'unreached') return ''
  const ends = new Set(failing.map(({ from, to }) => `${from}\n${to}`))
  const beside = pairs.filter((pair) => ends.has(`${pair.from}\n${pair.to}`))
  const isSound = (cell: string) => {
    const own = beside.filter(({ between, family }) => `${between} ${family}` === cell)
    return own.length > 0 && own.every(({ reached }) => reached === true)
  }
  const sound = ['pods 4', 'pods 6', 'nodes 4', 'nodes 6'].filter((cell) => !cells.includes(cell) && isSound(cell))
  const family = sound.find((cell) => cells.some((own) => own.slice(0, -1) === cell.slice(0, -1)))
  const nodes = sound.some((cell) => cell.startsWith('nodes')) && cells.every((cell) => cell.startsWith('pods'))
  const parts = [
    ...(family ? [`over IPv${family.at(-1)} they are reached`] : []),
    ...(nodes ? ['the nodes themselves answer'] : []),
  ]
  return parts.length > 0 ? `; ${parts.join(', ')}` : ''
}

/** Two nodes, whatever was asked between them: both ways are two. */
export const waysOf = (pairs: readonly NodePair[]): string[] => [
  ...new Set(pairs.map(({ from, to }) => `${from} to ${to}`)),
]
const numberOf = (pairs: readonly NodePair[]): number => waysOf(pairs).length

/** "n1 and n2 do not reach each other, n3 does not reach n4" */
function pairList(failing: readonly NodePair[]): string {
  const ways = new Set(failing.map(({ from, to }) => `${from}\n${to}`))
  const said = [...ways].flatMap((key) => {
    const [from = '', to = ''] = key.split('\n')
    const both = ways.has(`${to}\n${from}`)
    if (both && to < from) return []
    return [both ? `${from} and ${to} do not reach each other` : `${from} does not reach ${to}`]
  })
  const shown = said.slice(0, 4).join(', ')
  return said.length > 4 ? `${shown}, and ${said.length - 4} more` : shown
}
