/**
 * The product: bare `npx vitest run` runs the checks and nothing else (the project's own tests have their config in test/).
 * One process for each network namespace (`isolate: false`), the node's and the pod's side by side.
 */
import { defineConfig } from 'vitest/config'
import { bundledLibrary } from './lib/bundle.ts'
import { MOST_FILES, placePool } from './lib/pool.ts'
import { gate } from './lib/report/gate.ts'
import { CheckSequencer } from './lib/report/sequencer.ts'
import type { Place } from './lib/types.ts'

const { plugin, reporter } = gate()
const library = bundledLibrary()

const project = (name: string, place: Place) => ({
  // in each project: Vitest calls configureVitest of the projects' plugins only
  plugins: [plugin, library],
  test: {
    name,
    include: [`checks/${name}/**/*.test.ts`],
    provide: { place },
    setupFiles: ['lib/enter.ts'],
    pool: placePool(),
    isolate: false,
    // a worker lives for seconds and makes little garbage: a small nursery, and no collector threads, save 8 MB a worker
    execArgv: ['--max-semi-space-size=1', '--v8-pool-size=0'],
    maxWorkers: MOST_FILES,
    maxConcurrency: 16,
  },
})

export default defineConfig({
  plugins: [library],
  test: {
    watch: false,
    reporters: [reporter],
    globalSetup: ['lib/setup.ts'],
    sequence: { sequencer: CheckSequencer },
    projects: [project('host', 'node'), project('pod', 'pod')],
  },
})
