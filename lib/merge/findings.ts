/**
 * Why, over all nodes: what failing pairs have in common, what several nodes have alike, what a failing node differs in. Pure.
 * Each cause is told once, whatever the number of nodes that met it.
 */

import { CLUSTER_WARNINGS } from '../diagnose/codes/cluster.ts'
import { CODES } from '../diagnose/codes.ts'
import type { ClusterPart, Code, Evidence, Finding, NodePair, Result } from '../types.ts'
import { cellOf, type Group, groupsOf, isOfNode, TROUBLES } from './cover.ts'
import { differencesOfNode, isTrouble, titleOf } from './differences.ts'
import { keyOf } from './explains.ts'
import { type Folding, foldInto, rootOf, together } from './folding.ts'
import { codeOf, type Scene, sentenceOf } from './group-text.ts'
import { cappedTable, commonest, compareText, namesText, nodesText } from './lists.ts'
import {
  type Alike,
  alike,
  byRank,
  causeText,
  findingsOfNodes,
  mentions,
  type NodeFinding,
  remedyText,
  touchedBy,
} from './node-findings.ts'

/** What a run over all nodes found, and by id of each of the cluster's results the findings that explain it. */
export interface JoinedFindings {
  readonly findings: readonly Finding[]
  readonly follows: ReadonlyMap<string, readonly string[]>
}

/** A finding of all nodes before it is known which questions were asked. */
interface Draft extends Pick<Finding, 'code' | 'cause' | 'confidence' | 'evidence' | 'remedy' | 'hides'> {
  readonly verdict: 'fail' | 'warn'
  /** Nodes that are to be asked again; none: all. */
  readonly asks: readonly string[]
  /** See `keyOf`. */
  readonly touches: ReadonlySet<string>
}

/** Reports are written again and again while the checks of a run end: what its nodes said stays the same. */
const drafted = new WeakMap<ClusterPart, readonly Draft[]>()

/** `asked`: the cluster's own results. `command`: what is typed before the checks to ask them. Nothing that is not green: no findings. */
export function joinedFindings(part: ClusterPart, asked: readonly Result[], command: string): JoinedFindings {
  const drafts = drafted.get(part) ?? draftsOf(part)
  drafted.set(part, drafts)
  const findings = drafts.map(({ verdict, asks, touches, ...draft }, index): Finding => {
    const explained = asked.filter((result) => {
      const key = keyOf(result)
      return key !== null && touches.has(key) && isAnsweredBy(result, draft.code, verdict)
    })
    const again = againFor(asks, command)
    return { id: `${draft.code}-${index + 1}`, ...draft, again, explains: explained.map(({ id }) => id) }
  })
  const follows = new Map<string, string[]>()
  for (const { id, explains } of findings) {
    for (const result of explains) follows.set(result, [...(follows.get(result) ?? []), id])
  }
  return { findings, follows }
}

/** What only warns is no reason of a failure, unless warnings are to fail. */
const isAnsweredBy = (result: Result, code: Code, verdict: 'fail' | 'warn'): boolean =>
  result.verdict === 'fail' ? verdict === 'fail' || result.code === code : result.verdict === 'warn'

function draftsOf(part: ClusterPart): Draft[] {
  const zones = new Map(part.nodes.map(({ node, zone }) => [node, zone]))
  const names = new Set(zones.keys())
  const groups = TROUBLES.flatMap((trouble) => groupsOf(part.pairs, zones, trouble))
  const all = findingsOfNodes(part.nodes)
  const folded = foldInto(groups, all)
  const gone = new Set(folded.flatMap(({ told }) => told))
  const kept = alike(
    all.filter((one) => !gone.has(one)),
    names,
  )
  const roots = new Map(folded.map((folding) => [folding, rootOf(folding.group, kept)]))
  const byRoot = (one: Alike | null) => together(folded.filter((folding) => roots.get(folding) === one))
  const ofGroups = byRoot(null).map((folding) => draftOfGroup(folding, part))
  const ofNodes = kept.toSorted(byRank).map((one) => draftOfNodes(one, byRoot(one), part))
  const drafts = [...ofGroups, ...ofNodes.filter(explainsPairs), ...ofNodes.filter((one) => !explainsPairs(one))]
  return [
    ...drafts.filter(({ verdict }) => verdict === 'fail'),
    ...drafts.filter(({ verdict }) => verdict === 'warn'),
    ...draftOfDifferences(part),
  ]
}

const explainsPairs = ({ touches }: Draft): boolean => [...touches].some((key) => /^(?:pairs|zones|size)/.test(key))

const WIRE = /\b(?:UDP (\d+)(?: \((\w[\w ]*)\))?|(IP in IP))/

/** "VXLAN (UDP 8472)", where those who could not say more agree. */
function wireOf(told: readonly NodeFinding[]): string | null {
  const wires = told.flatMap(({ cause }) => {
    const [, port, name, other] = WIRE.exec(cause) ?? []
    return other ?? (port === undefined ? [] : name ? `${name} (UDP ${port})` : `UDP ${port}`)
  })
  return commonest(wires)
}

/** By its own word, a node drops what comes in, or what goes out. */
function dropsOf(causes: readonly string[]): Scene['drops'] {
  const all = causes.filter((cause) => /tunnel packets/.test(cause))
  if (all.some((cause) => /\b(?:input|prerouting|ingress)\b/i.test(cause))) return 'in'
  return all.some((cause) => /\b(?:output|postrouting|egress)\b/i.test(cause)) ? 'out' : null
}

function sceneOf({ group, told }: Folding, root: Alike | null, { nodes, pairs }: ClusterPart): Scene {
  return {
    pairs,
    wire: group.trouble === 'unreached' ? wireOf([...told, ...(root?.of ?? [])]) : null,
    drops: root ? dropsOf(root.of.map(({ cause }) => cause)) : null,
    silent: new Set(nodes.filter(({ report }) => report === null).map(({ node }) => node)),
  }
}

function draftOfGroup(folding: Folding, part: ClusterPart): Draft {
  const { group, told } = folding
  const focus = focusOf(group)
  const differs = focus.length > FEW ? inCommon(focus, part) : focus.flatMap((node) => differencesText(node, part))
  const code = codeOf(
    group,
    told.map((one) => one.code),
  )
  const main = commonest(told.map((one) => one.code))
  const said = told.filter((one) => one.code === main)
  // the words of those who asked the node are about it, its own are about the others
  const best = said.find(({ remedy }) => focus.some((node) => mentions(remedy, node))) ?? said[0]
  return {
    code,
    cause: [sentenceOf(group, sceneOf(folding, null, part)), ...differs].join(' '),
    confidence: isProven(group, part.pairs) ? 'proven' : 'likely',
    evidence: [pairTable(group), ...toldTable(told), ...differenceTable(focus, part)],
    remedy: best?.remedy ?? CODES[code]?.remedy ?? '',
    asks: focus.length > 0 ? nodesAround(group, focus) : group.scope === 'pairs' ? endsOf(group.failing) : [],
    hides: group.trouble === 'unreached' && focus.length > 0 ? `what the pods on ${nodesText(focus)} are like` : null,
    verdict: verdictOf(folding),
    touches: new Set([...keysOf(group, part), ...besidePairs(told)]),
  }
}

/** Loss fails where a node's own check does: it is a question of how much. */
function verdictOf({ group: { trouble, failing }, told }: Folding): 'fail' | 'warn' {
  if (trouble === 'unreached' || told.some(({ verdict }) => verdict === 'fail')) return 'fail'
  return trouble === 'size' && failing.some(({ code }) => CODES[code ?? '']?.kind === 'fail') ? 'fail' : 'warn'
}

/** Which pairs a group is about, it says itself. */
const besidePairs = (told: readonly NodeFinding[]): string[] =>
  [...touchedBy(told)].filter((key) => !/^(?:pairs|size) /.test(key))

/** What the nodes name themselves, with what it does to the pairs. */
function draftOfNodes(one: Alike, folded: readonly Folding[], part: ClusterPart): Draft {
  const names = [...new Set(one.of.map(({ node }) => node))]
  const sentences = folded.map((folding) => sentenceOf(folding.group, sceneOf(folding, one, part)))
  const told = folded.flatMap((folding) => folding.told)
  // a thing that most nodes have is not in what sets one apart
  const few = names.length <= FEW || names.length * 4 <= part.nodes.length ? names : []
  const differs = few.length > FEW ? inCommon(few, part) : few.flatMap((node) => differencesText(node, part))
  return {
    code: one.code,
    cause: [...sentences, causeText(one, part), ...differs].join(' '),
    confidence: one.of.every(({ confidence }) => confidence === 'proven') ? 'proven' : 'likely',
    evidence: [
      ...(names.length > 1 || one.of.length > 1 ? [nodeTable(one, part)] : []),
      ...folded.map(({ group }) => pairTable(group)),
      ...toldTable(told),
      ...differenceTable(few, part),
    ],
    remedy: remedyText(one),
    asks: names,
    hides: one.of.find(({ hides }) => hides !== null)?.hides ?? null,
    verdict: folded.length > 0 || one.of.some(({ verdict }) => verdict === 'fail') ? 'fail' : 'warn',
    touches: new Set([
      ...folded.flatMap(({ group }) => keysOf(group, part)),
      ...touchedBy(one.of),
      ...besidePairs(told),
    ]),
  }
}

/** Of so many nodes each is told by itself in what it differs; of more, what sets them apart together. */
const FEW = 2

/** The nodes that a group is about. */
const focusOf = ({ scope, of }: Group): readonly string[] => (isOfNode(scope) ? of : [])

function keysOf({ trouble, cells, failing }: Group, { nodes }: ClusterPart): string[] {
  if (trouble === 'size') return cells.map((cell) => `size ${cell}`)
  const zones = new Map(nodes.map(({ node, zone }) => [node, zone]))
  const across = failing.filter((pair) => pair.between === 'pods' && isAcross(pair, zones))
  return [...cells.map((cell) => `pairs ${cell}`), ...across.map(({ family }) => `zones ${family}`)]
}

export function isAcross({ from, to }: NodePair, zones: ReadonlyMap<string, string | null>): boolean {
  const [here, there] = [zones.get(from) ?? null, zones.get(to) ?? null]
  return here !== null && there !== null && here !== there
}

/**
 * Both sides were seen: of a node, at least two others reach somebody else; of zones, other pairs of nodes are reached; of single
 * pairs, both ways fail.
 */
function isProven({ scope, of, failing, whole, trouble, cells }: Group, pairs: readonly NodePair[]): boolean {
  const bad = new Set(failing)
  const sound = pairs.filter((pair) => pair.reached && !bad.has(pair) && cells.includes(cellOf(pair)))
  if (!whole && scope !== 'pairs') return false
  if (isOfNode(scope)) {
    const focus = new Set(of)
    const others = new Set(endsOf(failing).filter((node) => !focus.has(node)))
    const able = sound.filter(({ from, to }) => !focus.has(from) && !focus.has(to))
    return new Set(able.flatMap(({ from, to }) => [from, to]).filter((node) => others.has(node))).size >= 2
  }
  if (scope === 'pairs') {
    const ways = new Set(failing.map(({ from, to }) => `${from}\n${to}`))
    return trouble === 'unreached' && failing.every(({ from, to }) => ways.has(`${to}\n${from}`))
  }
  return scope !== 'every' && sound.length >= 2
}

const endsOf = (pairs: readonly NodePair[]): string[] =>
  [...new Set(pairs.flatMap(({ from, to }) => [from, to]))].toSorted(compareText)

/** "All of them differ: kernel release 5.15 (188 others: 6.1)." What all of them have, and hardly anybody else. */
function inCommon(focus: readonly string[], { differences }: ClusterPart): string[] {
  const own = differences.flatMap((difference) =>
    difference.others.flatMap(({ value, nodes }) => {
      const all = new Set(nodes)
      const isTheirs = focus.every((node) => all.has(node)) && nodes.length < 2 * focus.length
      return isTheirs ? [`${titleOf(difference)} ${value} (${difference.usualNodes} others: ${difference.usual})`] : []
    }),
  )
  return own.length === 0 ? [] : [`All of them differ: ${own.slice(0, 3).join('; ')}.`]
}

/** "n7 differs: MTU of eth0 1400 (39 others: 1450)." */
function differencesText(node: string, { differences }: ClusterPart): string[] {
  const own = differencesOfNode(node, differences)
  const more = own.length > 3 ? ` and ${own.length - 3} more` : ''
  return own.length === 0 ? [] : [`Node ${node} differs: ${own.slice(0, 3).join('; ')}${more}.`]
}

function differenceTable(nodes: readonly string[], { differences }: ClusterPart): Evidence[] {
  const rows = nodes.flatMap((node) =>
    differences.flatMap((one) => {
      const other = one.others.find((value) => value.nodes.includes(node))
      return other ? [[node, titleOf(one), other.value, one.usual, one.usualNodes]] : []
    }),
  )
  const columns = ['node', 'what', 'there', 'elsewhere', 'nodes with that']
  return rows.length === 0 ? [] : [cappedTable('set differently', columns, rows)]
}

function pairTable({ failing, trouble }: Group): Evidence {
  const rows = failing.map(({ from, to, between, family, code, mtu }) => {
    return [from, to, between, `IPv${family}`, code, ...(trouble === 'size' ? [mtu] : [])]
  })
  const columns = ['from', 'to', 'asked', 'family', 'code', ...(trouble === 'size' ? ['path MTU'] : [])]
  return cappedTable('pairs of nodes', columns, rows)
}

const toldTable = (told: readonly NodeFinding[]): Evidence[] =>
  told.length === 0
    ? []
    : [
        cappedTable(
          'what the nodes found themselves',
          ['node', 'code', 'cause'],
          told.map(({ node, code, cause }) => [node, code, cause]),
          12,
        ),
      ]

const nodeTable = ({ of }: Alike, { nodes }: ClusterPart): Evidence => {
  const zones = new Map(nodes.map(({ node, zone }) => [node, zone]))
  const rows = of.map(({ node, confidence, cause }) => [node, zones.get(node) ?? null, confidence, cause])
  return cappedTable('on these nodes', ['node', 'zone', 'confidence', 'cause'], rows)
}

/** Names that a command line still holds; more nodes are asked by asking all. */
const MOST_NAMES = 8

function againFor(nodes: readonly string[], command: string): string {
  const only = nodes.length === 0 || nodes.length > MOST_NAMES ? '' : `NODES=${nodes.join(',')} `
  return `${only}${command} checks/cluster`
}

/** The nodes with some of those that asked them: alone one would have nobody to ask. */
const nodesAround = ({ failing }: Group, focus: readonly string[]): string[] => [
  ...focus,
  ...endsOf(failing)
    .filter((node) => !focus.includes(node))
    .slice(0, 3),
]

/** What is set differently, and may break something: one warning for all of it. */
function draftOfDifferences(part: ClusterPart): Draft[] {
  const differing = part.differences.filter(isTrouble)
  if (differing.length === 0) return []
  const said = differing
    .slice(0, 3)
    .map((one) => `${titleOf(one)} is ${one.usual} on ${one.usualNodes}, ${othersText(one)}`)
  const more = differing.length > 3 ? `; and ${differing.length - 3} more` : ''
  const rows = differing.flatMap((one) =>
    one.others.map(({ value, nodes }) => [titleOf(one), value, one.usual, nodes.length, namesText(nodes, 20)]),
  )
  return [
    {
      code: 'NODE_DIFFERS',
      cause: `Nodes are set differently: ${said.join('; ')}${more}.`,
      confidence: 'proven',
      evidence: [cappedTable('set differently', ['what', 'there', 'elsewhere', 'nodes', 'which'], rows)],
      remedy: CLUSTER_WARNINGS.NODE_DIFFERS.remedy,
      asks: [],
      hides: null,
      verdict: 'warn',
      touches: new Set(['differences']),
    },
  ]
}

const othersText = ({ others }: ClusterPart['differences'][number]): string =>
  others.map(({ value, nodes }) => `${value} on ${namesText(nodes, 3)}`).join(', ')
