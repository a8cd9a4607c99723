/** Failing pairs of nodes, with what the nodes themselves say about them, and the cause that they have. Pure. */
import type { Code } from '../types.ts'
import { type Group, isOfNode, type Trouble } from './cover.ts'
import { compareText, groupedBy } from './lists.ts'
import { type Alike, byRank, mentions, type NodeFinding } from './node-findings.ts'
import { isAboutSize } from './pairs.ts'
import { wayOf } from './peers.ts'

/** Codes that say only that somebody else is not reached, or not well: who that is, all nodes together tell. */
const VAGUE: ReadonlySet<Code> = new Set([
  ...['UNREACHABLE', 'REJECTED', 'NO_ROUTE', 'LEFT_NODE_UNANSWERED', 'TUNNEL_UNANSWERED', 'TUNNEL_REFUSED'],
  ...['NODE_UNREACHABLE', 'POD_UNANSWERED', 'FILTERED_BEYOND', 'REFUSED_BEYOND', 'PACKET_LOSS', 'ANSWER_LOST_ON_NODE'],
])
const isVague = ({ code }: { readonly code: Code }): boolean => VAGUE.has(code) || isAboutSize(code)

const isAboutPeers = ({ results }: NodeFinding): boolean => results.some((result) => wayOf(result) !== null)

/** What it does to the pairs that it was found by; of what was found otherwise, what its code says. */
function troublesOf({ code, results }: NodeFinding): ReadonlySet<Trouble> {
  const codes = results.flatMap((result) => (wayOf(result) === null ? [] : (result.code ?? [])))
  return new Set((codes.length > 0 ? codes : [code]).map(troubleOf))
}

const troubleOf = (code: Code): Trouble => (isAboutSize(code) ? 'size' : code === 'PACKET_LOSS' ? 'loss' : 'unreached')

/** Kind and family of the pairs that it was found by; none: it was found otherwise. */
const cellsOf = ({ results }: NodeFinding): readonly string[] =>
  results.flatMap((result) =>
    wayOf(result) === null ? [] : [`${result.place === 'node' ? 'nodes' : 'pods'} ${result.family}`],
  )

export interface Folding {
  readonly group: Group
  /** What the nodes themselves say about it. */
  readonly told: readonly NodeFinding[]
}

/** Each vague finding of a node goes to the group of those pairs that it speaks of. */
export function foldInto(groups: readonly Group[], all: readonly NodeFinding[]): Folding[] {
  const byNode = groups.map((group) => {
    const others = new Map<string, Set<string>>()
    for (const { from, to } of group.failing) others.set(from, (others.get(from) ?? new Set()).add(to))
    return { group, others, told: [] as NodeFinding[] }
  })
  for (const finding of all.filter(isVague)) {
    const [troubles, cells] = [troublesOf(finding), cellsOf(finding)]
    const own = byNode.filter(
      ({ group, others }) =>
        troubles.has(group.trouble) &&
        others.has(finding.node) &&
        (cells.length === 0 || cells.some((cell) => group.cells.includes(cell))),
    )
    const named = own.find(({ others }) =>
      [...(others.get(finding.node) ?? [])].some((other) => mentions(finding.cause, other)),
    )
    const into = named ?? (cells.length > 0 ? own[0] : undefined)
    into?.told.push(finding)
  }
  return byNode
}

/** The cause that the nodes at one end of all these pairs name themselves; null: none does. */
export function rootOf({ trouble, failing }: Group, kept: readonly Alike[]): Alike | null {
  if (trouble === 'loss') return null
  const able = kept.filter(({ code, of }) => {
    if (isVague({ code }) || !of.some(isAboutPeers)) return false
    const nodes = new Set(of.map(({ node }) => node))
    return failing.every(({ from, to }) => nodes.has(from) || nodes.has(to))
  })
  return able.toSorted(byRank)[0] ?? null
}

/** So many nodes of which the same is said are said together. */
const TOGETHER = 3

/** Of foldings with one cause: those that tell the same of several nodes are one. */
export function together(foldings: readonly Folding[]): readonly Folding[] {
  const alike = groupedBy(foldings, ({ group: { trouble, scope, cells, of, whole } }) =>
    [trouble, scope, ...cells, ...(whole && isOfNode(scope) ? [] : of)].join('\n'),
  )
  return [...alike.values()].flatMap((same) => (same.length < TOGETHER ? same : [joined(same as [Folding])]))
}

function joined(foldings: readonly [Folding, ...Folding[]]): Folding {
  const groups = foldings.map(({ group }) => group)
  const group: Group = {
    ...foldings[0].group,
    of: groups.flatMap(({ of }) => of).toSorted(compareText),
    failing: groups.flatMap(({ failing }) => failing),
    asked: [...new Set(groups.flatMap(({ asked }) => asked))],
  }
  return { group, told: foldings.flatMap(({ told }) => told) }
}
