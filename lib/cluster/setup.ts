/** Vitest's globalSetup of a run over all nodes: asks them, and hands what came back to the checks and to the reports. */
import type { TestProject } from 'vitest/node'
import { gateOf } from '../report/gate.ts'
import { readEveryNodeSettings, readSettings } from '../settings.ts'
import { askCluster } from './index.ts'
import { namesCluster } from './named.ts'

export default async function setup(project: TestProject): Promise<void> {
  const gate = gateOf(project.vitest)
  // the dry run (`vitest list`) makes nothing
  const own = readEveryNodeSettings()
  const beside = namesCluster(process.argv.slice(2)).beside.map((value) => ({
    variable: 'command line',
    value,
    problem: 'checks/cluster is asked alone',
    next: 'Ask the other checks in a run of their own, on a node.',
  }))
  const dryRun = own.settings.dryRun || gate?.running !== true
  const asked = { ...own, problems: [...own.problems, ...beside], settings: { ...own.settings, dryRun } }
  const plan = await askCluster(readSettings(), asked, {
    progress: ({ waiting, running, done }) =>
      gate?.progress(`nodes: ${done} answered, ${running} running, ${waiting} waiting`),
    print: (text) => process.stdout.write(text),
  })
  project.provide('cluster', plan)
  gate?.clusterAsked(plan)
}
