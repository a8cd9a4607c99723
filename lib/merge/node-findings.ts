/** Findings of single nodes, joined where they have one cause: a trouble that 38 nodes have is one. Pure. */
import { CODES, rankOf } from '../diagnose/codes.ts'
import type { ClusterPart, Code, Finding, NodeRun, Result } from '../types.ts'
import { compareText, count, groupedBy, namesText } from './lists.ts'
import { asksReplicas, isOwn, wayOf } from './peers.ts'

/** One node's finding, with those of its results that follow from it. */
export interface NodeFinding {
  readonly node: string
  readonly code: Code
  readonly cause: string
  readonly confidence: Finding['confidence']
  readonly remedy: string
  readonly hides: string | null
  readonly verdict: 'fail' | 'warn'
  readonly results: readonly Result[]
}

/** Findings of several nodes with one cause. */
export interface Alike {
  readonly code: Code
  /** By name of their nodes. */
  readonly of: readonly NodeFinding[]
}

/** Everything that is not green on a node: its findings, and what none of them explains. */
export function findingsOfNodes(runs: readonly NodeRun[]): NodeFinding[] {
  return runs.flatMap(({ node, report }): NodeFinding[] => {
    if (!report) return []
    const bad = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')
    const told = report.findings.map(({ explains, code, cause, confidence, remedy, hides }) => {
      const explained = new Set(explains)
      const results = bad.filter(({ id }) => explained.has(id))
      return { ...{ node, code, cause, confidence, remedy, hides }, verdict: worstOf(results), results }
    })
    const left = bad.filter(({ findings }) => findings.length === 0).map((result) => ofResult(node, result))
    return [...told.filter(({ results }) => results.length > 0), ...left]
  })
}

const worstOf = (results: readonly Result[]): 'fail' | 'warn' =>
  results.some(({ verdict }) => verdict === 'fail') ? 'fail' : 'warn'

const ofResult = (node: string, result: Result): NodeFinding => ({
  node,
  code: result.code ?? 'CHECK_CRASHED',
  cause: result.seen,
  confidence: 'likely',
  remedy: result.hint ?? CODES[result.code ?? '']?.remedy ?? '',
  hides: null,
  verdict: worstOf([result]),
  results: [result],
})

/** Of one code, more causes than these are one: what tells them apart is an instance that was not recognized. */
const MOST_CAUSES = 3

/** Those of one code and cause, names and figures taken out. */
export function alike(findings: readonly NodeFinding[], nodes: ReadonlySet<string>): Alike[] {
  return [...groupedBy(findings, ({ code, verdict }) => `${verdict} ${code}`).values()].flatMap((same) => {
    const causes = [...groupedBy(same, ({ cause }) => withoutInstances(cause, nodes)).values()]
    return (causes.length > MOST_CAUSES ? [same] : causes).map((of): Alike => {
      const [first] = of as [NodeFinding]
      return {
        code: first.code,
        of: of.toSorted((a, b) => compareText(a.node, b.node) || compareText(a.cause, b.cause)),
      }
    })
  })
}

const ADDRESSES = /(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{0,15}|\d{1,3}(?:\.\d{1,3}){3}(?:\/\d+)?/gi
const PODS = /[a-z0-9][a-z0-9-]*\/[a-z0-9][a-z0-9.-]*/gi
/** Interfaces that are made for one pod. */
const OF_POD = /\b(?:veth|cali|lxc|eni|azv|gke)[0-9a-f]{3,}\b/gi
const NUMBERS = /\d+(?:\.\d+)?/g
const WORDS = /[a-z0-9](?:[-.]*[a-z0-9]+)*/gi

/** "On # the rule "tcp dport # drop" in ip filter INPUT drops packets from # to #." */
function withoutInstances(cause: string, nodes: ReadonlySet<string>): string {
  return cause
    .replace(ADDRESSES, '#')
    .replace(PODS, '#')
    .replace(OF_POD, '#')
    .replace(WORDS, (word) => (nodes.has(word) ? '#' : word))
    .replace(NUMBERS, '#')
}

/** What of the cluster's questions the finding answers: see `keyOf` in explains.ts. */
export function touchedBy(findings: readonly NodeFinding[]): Set<string> {
  const results = findings.flatMap((one) => one.results)
  return new Set(
    results.flatMap((result) => {
      const { place, family } = result
      const between = place === 'node' ? 'nodes' : 'pods'
      const way = wayOf(result)
      if (way !== null) return [`${way === 'mtu' ? 'size' : 'pairs'} ${between} ${family}`]
      if (asksReplicas(result)) return [`replicas ${family}`]
      return isOwn(result) ? [`${place} checks`] : []
    }),
  )
}

/** "On 38 of 40 nodes (n1, n2 and 36 more): <what it means> On n1: <its cause>" */
export function causeText({ code, of }: Alike, { nodes }: ClusterPart): string {
  const [first] = of as readonly [NodeFinding]
  const names = [...new Set(of.map(({ node }) => node))]
  if (names.length === 1) {
    const more = of.length > 1 ? ` And ${of.length - 1} more of the kind.` : ''
    return `${mentions(first.cause, first.node) ? '' : `On node ${first.node}: `}${first.cause}${more}`
  }
  const asked = nodes.filter(({ report }) => report !== null).length
  const means = CODES[code]?.means
  return `On ${names.length} of ${count(asked, 'node')} (${namesText(names)}): ${means ?? first.cause}${means ? ` On ${first.node}: ${first.cause}` : ''}`
}

/** What all of them say is to be done; where they differ by their names, what the code says. */
export function remedyText({ code, of }: Alike): string {
  const remedies = new Set(of.map(({ remedy }) => remedy))
  const [only = ''] = remedies
  return remedies.size === 1 ? only : (CODES[code]?.remedy ?? only)
}

/** The name stands in the text as a word of its own. */
export function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const [before = ' ', after = ' '] = [text[at - 1], text[at + name.length]]
    if (!/[\w-]/.test(before) && !/[\w-]/.test(after)) return true
  }
  return false
}

export const byRank = (a: Alike, b: Alike): number =>
  b.of.length - a.of.length ||
  rankOf(a.code) - rankOf(b.code) ||
  compareText(a.of[0]?.cause ?? '', b.of[0]?.cause ?? '')
