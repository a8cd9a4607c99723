/** One process a place, both places side by side: seen from real runs of tiny checks. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Tiny, tiny } from './tiny.ts'

vi.setConfig({ testTimeout: 120_000 })

const about = (name: string, body: string) => `import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
const own = (name) => process.env.REPORTS_DIR + '/' + name
check('${name}', once, async ({ must }) => { ${body} })`
const report = (value: string) =>
  `must({ ok: true, value: 0, evidence: [{ kind: 'scalar', name: 'said', value: ${value} }] })`
/** Ends only when the other place's check is under way too. */
const meeting = (mine: string, other: string) =>
  `writeFileSync(own('${mine}'), ''); for (let n = 0; n < 200 && !existsSync(own('${other}')); n++) await sleep(50)
  if (!existsSync(own('${other}'))) throw new Error('alone')`
/** Says so when another file of the place runs at the same time. */
const alone = `if (existsSync(own('busy'))) throw new Error('two at once')
  writeFileSync(own('busy'), ''); await sleep(200); (await import('node:fs')).rmSync(own('busy')); ${report('process.pid')}`

let project: Tiny
beforeAll(() => {
  project = tiny({
    'host/a-meets': about('meets', meeting('host', 'pod')),
    'pod/a-meets': about('meets', meeting('pod', 'host')),
    'pod/b-alone': about('alone', alone),
    'pod/c-alone': about('alone too', alone),
    'pod/d-alone': about('alone as well', alone),
  })
})
afterAll(() => project?.remove())

describe('the pool', () => {
  it('asks from the node and from the pod at the same time', async () => {
    const { report } = await project.run(['run', 'a-meets'])
    expect(report.results.map(({ place, verdict }) => [place, verdict])).toEqual([
      ['node', 'pass'],
      ['pod', 'pass'],
    ])
  })

  it('asks one file of a place after the other, in their order, in one process', async () => {
    const { report } = await project.run(['run', 'alone'])
    expect(report.results.map(({ verdict }) => verdict)).toEqual(['pass', 'pass', 'pass'])
    const said = report.results.map(({ evidence }) => evidence.find(({ name }) => name === 'said'))
    expect(said[0]).toMatchObject({ value: expect.any(Number) })
    expect(said).toEqual([said[0], said[0], said[0]])
  })
})
