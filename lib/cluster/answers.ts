/** What the Jobs of a run printed, as data. Pure. */
import { digestOf } from '../merge/index.ts'
import { asReport } from '../report/json.ts'
import { unprinted } from '../report/printed.ts'
import type { NodeRun, Report } from '../types.ts'
import type { NodeAnswer } from './ask.ts'
import type { ClusterMember } from './inventory.ts'

/** A node's answer as data: its report cut to what is of use beside others, or why there is none. */
export function runOf({ task, problem, log, exitCode }: NodeAnswer, member: ClusterMember): NodeRun {
  const about = { node: task.node, zone: member.zone, source: task.source }
  const why =
    problem && member.notReady
      ? { ...problem, reason: `${problem.reason}; its Node is not Ready: ${member.notReady}` }
      : problem
  if (log === null) return { ...about, problem: why, report: null }
  const report = reportIn(log)
  if (report === null) return { ...about, problem: why ?? lost(log, exitCode), report: null }
  return { ...about, problem: why, report: digestOf(report) }
}

function reportIn(log: string): Report | null {
  const text = unprinted(log).find(({ name }) => name.endsWith('.json'))?.text
  try {
    return asReport(JSON.parse(text ?? ''))
  } catch {
    return null
  }
}

function lost(log: string, exitCode: number | null): NonNullable<NodeRun['problem']> {
  const last = log.trim().split('\n').at(-1)?.slice(0, 200) ?? ''
  return {
    code: 'NODE_REPORT_LOST',
    reason: `it ended with exit code ${exitCode} and printed no whole report; its last line: ${last}`,
    hint: 'Run it there by itself to see why: `NODES=<node> npx vitest run checks/cluster`; an image of another version prints none.',
  }
}
