/** Which files a command line runs, and in which order (`vitest run checks/pod` runs the host checks as well). */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Tiny, type TinyRun, tiny } from './tiny.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 3 })

let project: Tiny
beforeAll(() => {
  const body = "check('x', once, async () => {})"
  const names = ['host/a', 'host/preflight', 'pod/a', 'pod/b', 'pod/preflight']
  project = tiny(Object.fromEntries(names.map((name) => [name, body])))
})
afterAll(() => project?.remove())

const files = ({ report }: TinyRun) =>
  report.results.map(({ file }) => file.slice('checks/'.length, -'.test.ts'.length))
/** Whether the set-up was told that pod checks were named: then a missing SRC_POD is no reason to skip. */
const podNamed = ({ report }: TinyRun) => report.notes.includes('named: true')

const all = ['host/preflight', 'host/a', 'pod/preflight', 'pod/a', 'pod/b']

describe.concurrent('the command line', () => {
  it.each([
    ['all pod checks bring the host checks along', ['checks/pod'], all, true],
    ['one pod check does not', ['checks/pod/a'], ['pod/a'], true],
    ['nor do some', ['checks/pod/a', 'checks/pod/b'], ['pod/a', 'pod/b'], true],
    ['host checks alone', ['checks/host'], ['host/preflight', 'host/a'], false],
    ['both, each once', ['checks/pod', 'checks/host'], all, false],
    ['bare: each once', [], all, false],
    [
      'one host check among all pod checks stays the only one',
      ['checks/pod', 'host/a'],
      ['host/a', ...all.slice(2)],
      false,
    ],
    ['by project, too', ['--project=pod'], ['pod/preflight', 'pod/a', 'pod/b'], true],
  ] as const)('%s', async (_, args, expected, named) => {
    const run = await project.run(['run', ...args])
    expect(files(run)).toEqual([...expected])
    expect(podNamed(run)).toBe(named)
    expect(run.exitCode).toBe(0)
    expect(run.report.errors).toEqual([])
  })

  it('preflight is asked first in each place', async () => {
    const { output } = await project.run(['run', 'checks/pod', '--reporter=verbose'])
    const asked = [...output.matchAll(/checks\/(\S+)\.test\.ts > x/g)].map(([, name]) => name)
    // the places are asked side by side
    for (const place of ['host/', 'pod/']) {
      const own = (names: readonly (string | undefined)[]) => names.filter((name) => name?.startsWith(place))
      expect(own(asked)).toEqual(own(all))
    }
  })
})
