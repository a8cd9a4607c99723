/**
 * The product: bare `npx vitest run` runs the checks and nothing else (the project's own tests have their config in test/).
 * One process for each network namespace (`isolate: false`, one worker), the node's first.
 */
import { defineConfig } from 'vitest/config'
import { gate } from './lib/report/gate.ts'
import { CheckSequencer } from './lib/report/sequencer.ts'
import type { Place } from './lib/types.ts'

const { plugin, reporter } = gate()

const project = (name: string, place: Place, groupOrder: number) => ({
  // in each project: Vitest calls configureVitest of the projects' plugins only
  plugins: [plugin],
  test: {
    name,
    include: [`checks/${name}/**/*.test.ts`],
    provide: { place },
    setupFiles: ['lib/enter.ts'],
    pool: 'forks' as const,
    isolate: false,
    maxWorkers: 1,
    maxConcurrency: 16,
    sequence: { groupOrder },
  },
})

export default defineConfig({
  test: {
    watch: false,
    reporters: [reporter],
    globalSetup: ['lib/setup.ts'],
    sequence: { sequencer: CheckSequencer },
    projects: [project('host', 'node', 1), project('pod', 'pod', 2)],
  },
})
