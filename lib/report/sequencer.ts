/**
 * The order of the check files: preflight first, then by path, so that the reports of two nodes and two days line up.
 * When every pod check is asked and no host check, the host checks come along, as with the original's `pod` command.
 */
import type { TestSpecification, Vitest } from 'vitest/node'
import { BaseSequencer } from 'vitest/node'
import { gateOf } from './gate.ts'

export class CheckSequencer extends BaseSequencer {
  override async sort(asked: TestSpecification[]): Promise<TestSpecification[]> {
    // in place: Vitest looks up the environment of each file, and ends the run, by the list that it handed in
    asked.push(...(await hostFilesFor(this.ctx, asked)))
    const specs = asked.sort(byPlace)
    gateOf(this.ctx)?.expect(specs)
    return specs
  }
}

async function hostFilesFor(vitest: Vitest, asked: readonly TestSpecification[]): Promise<TestSpecification[]> {
  const host = vitest.projects.find((project) => project.name === 'host')
  const pod = vitest.projects.find((project) => project.name === 'pod')
  if (!host || !pod || asked.some((spec) => spec.project.name !== 'pod')) return []
  const podFiles = (await pod.globTestFiles()).testFiles
  if (asked.length < podFiles.length) return []
  return (await host.globTestFiles()).testFiles.map((file) => host.createSpecification(file))
}

function byPlace(a: TestSpecification, b: TestSpecification): number {
  return keyOf(a).localeCompare(keyOf(b), 'en')
}

function keyOf(spec: TestSpecification): string {
  const preflight = spec.moduleId.endsWith('/preflight.test.ts') ? 0 : 1
  return `${spec.project.name} ${preflight} ${spec.moduleId}`
}
