/** What all renderers say alike about a run over all nodes. Pure. */
import { hasAnswered } from '../merge/index.ts'
import type { ClusterPart, NodeRun, Report } from '../types.ts'
import { count } from './text.ts'

/** "38 of 40 nodes answered" */
export const answeredText = ({ nodes }: ClusterPart): string =>
  `${nodes.filter(hasAnswered).length} of ${count(nodes.length, 'node')} answered`

/** Of a node; without a whole report it is inconclusive, unless what it told fails. */
export function verdictOfNode(run: NodeRun): Report['verdict'] {
  const { report } = run
  if (report?.verdict === 'fail') return 'fail'
  return report === null || !hasAnswered(run) ? 'inconclusive' : report.verdict
}
