/** The project's own tests: unit, contract (other people's parsers on our files) and lab by `npm test`, e2e by `npm run test:e2e`. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))
const tier = (name: string, test: object) => ({
  root,
  test: { name, include: [`test/${name}/**/*.test.ts`], pool: 'forks' as const, ...test },
})

const lab = { testTimeout: 60_000, hookTimeout: 120_000 }

export default defineConfig({
  root,
  test: {
    watch: false,
    projects: [
      tier('unit', { sequence: { groupOrder: 1 } }),
      tier('contract', { sequence: { groupOrder: 1 }, testTimeout: 60_000, globalSetup: ['test/contract/setup.ts'] }),
      tier('lab', { ...lab, sequence: { groupOrder: 2 }, maxWorkers: 2, exclude: ['test/lab/alone/**'] }),
      // what fills a table that all network namespaces share, such as the neighbours' (net.ipv4.neigh.default.gc_thresh3)
      tier('alone', { ...lab, sequence: { groupOrder: 3 }, maxWorkers: 1, include: ['test/lab/alone/**/*.test.ts'] }),
      tier('e2e', { sequence: { groupOrder: 4 }, maxWorkers: 2, testTimeout: 300_000, hookTimeout: 900_000 }),
    ],
  },
})
