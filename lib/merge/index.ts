/** The answers of all nodes, put together: what a run over all of them learned, and why something fails. Pure. */
import type { ClusterPart, NodeRun } from '../types.ts'
import { differencesOf } from './differences.ts'
import { countsOf, withoutGreen } from './digest.ts'
import { compareText } from './lists.ts'
import { pairsOf } from './pairs.ts'

export { differencesOf } from './differences.ts'
export { digestOf, shortRunOf } from './digest.ts'
export { type JoinedFindings, joinedFindings } from './findings.ts'
export { pairsOf } from './pairs.ts'
export * from './verdicts.ts'

/** Of more nodes than these only what is not green is kept of each node's own results, with the number of the others. */
export const MOST_WHOLE = 100

/** Everything that is known of all nodes together; `runs` in any order, of any number. */
export function partOf(runs: readonly NodeRun[]): ClusterPart {
  const nodes = runs.toSorted((a, b) => compareText(a.node, b.node))
  const [pairs, differences] = [pairsOf(nodes), differencesOf(nodes)]
  if (nodes.length <= MOST_WHOLE) return { nodes, pairs, differences }
  const short = nodes.map(
    ({ report, ...rest }): NodeRun =>
      report ? { ...rest, counts: rest.counts ?? countsOf(report), report: withoutGreen(report) } : { ...rest, report },
  )
  return { nodes: short, pairs, differences }
}
