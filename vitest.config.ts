/**
 * The product: bare `npx vitest run` runs the checks and nothing else (the project's own tests have their config in test/).
 * One process for each network namespace (`isolate: false`), the node's and the pod's side by side.
 */
import { defineConfig } from 'vitest/config'
import { bundledLibrary } from './lib/bundle.ts'
import { namesCluster } from './lib/cluster/named.ts'
import { MOST_FILES, placePool } from './lib/pool.ts'
import type { Place } from './lib/types.ts'

/** checks/cluster runs only when it is named, and alone: it is asked from anywhere and makes Jobs, which no bare run may do. */
const { everyNode } = namesCluster(process.argv.slice(2))

const library = await bundledLibrary()
const { gate } = library.load<typeof import('./lib/report/gate.ts')>('report/gate.ts')
const { CheckSequencer } = library.load<typeof import('./lib/report/sequencer.ts')>('report/sequencer.ts')
const { plugin, reporter } = gate({ everyNode })

const project = (name: string, place: Place) => ({
  // in each project: Vitest calls configureVitest of the projects' plugins only
  plugins: [plugin, library.plugin],
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

const overAllNodes = {
  plugins: [plugin, library.plugin],
  test: {
    name: 'cluster',
    include: ['checks/cluster/**/*.test.ts'],
    pool: 'forks' as const,
    isolate: false,
    maxWorkers: 1,
  },
}

export default defineConfig({
  plugins: [library.plugin],
  test: {
    watch: false,
    reporters: [reporter],
    globalSetup: [everyNode ? 'lib/cluster/setup.ts' : 'lib/setup.ts'],
    sequence: { sequencer: CheckSequencer },
    projects: everyNode ? [overAllNodes] : [project('host', 'node'), project('pod', 'pod')],
  },
})
