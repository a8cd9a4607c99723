/** A report over all nodes, made up, as the gate makes it. */
import { joinedFindings } from '../../../lib/merge/index.ts'
import { verdictOf } from '../../../lib/report/model.ts'
import type { Report, Result } from '../../../lib/types.ts'
import { askedOf } from '../merge/asked.ts'
import { type Cluster, clusterOf } from '../merge/nodes.ts'
import { report } from './sample.ts'

export async function clusterReport(cluster: Cluster, changes: Partial<Report> = {}): Promise<Report> {
  const part = clusterOf(cluster)
  const asked = await askedOf(part)
  const { findings, follows } = joinedFindings(part, asked, 'npx vitest run')
  const results = asked.map((one): Result => ({ ...one, findings: follows.get(one.id) ?? [] }))
  const settings = [{ name: 'NODES', value: '' }]
  const about = { node: 'cluster', source: null, notes: [], settings, findings, cluster: part }
  return report(results, { ...about, ...verdictOf(results, []), ...changes })
}
