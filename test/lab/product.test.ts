/** The product on a dual-stack cluster: healthy, then with every fault, and exactly what each must be called. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { settled } from '../../lib/report/model.ts'
import { sceneOf } from '../../lib/report/scene/index.ts'
import { FAULTS } from './faults.ts'
import { type Lab, startLab } from './lab.ts'
import { expectConsistent, expectHealthy } from './lab-expect.ts'
import { runProduct, troubles } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbd' })
})
afterAll(() => lab?.stop())

it('is green where all is well, and says what does not apply; its picture holds the whole path', async () => {
  const run = await runProduct(lab)
  expectHealthy(run, 'dual')
  const scene = sceneOf(settled(run.report))
  const kinds = ['pod', 'veth', 'bridge', 'tunnel', 'uplink', 'node', 'pod']
  expect(scene?.stations.map(({ kind }) => kind)).toEqual(kinds)
  // of the other node's own interface to its pod nothing is known
  expect(scene?.links.map(({ mtu }) => mtu !== null)).toEqual([true, true, true, true, true, false])
  expect(scene?.links.every(({ marks }) => marks.every(({ state }) => state === 'answers'))).toBe(true)
})

describe.each(FAULTS)('$name', (fault) => {
  it('is named by exactly the checks that meet it', async () => {
    fault.inject(lab)
    try {
      const run = await runProduct(lab, fault.env ? { env: fault.env } : {})
      const found = troubles(run.report).toSorted()
      const expected = (trouble: string) => fault.troubles.includes(trouble) || !fault.sometimes?.test(trouble)
      expect(found.filter(expected)).toEqual(fault.troubles.toSorted())
      expect(run.exitCode).toBe(fault.exitCode)
      expectConsistent(run)
    } finally {
      fault.undo(lab)
    }
  })
})

it('is green again when every fault has been taken back', async () => {
  expectHealthy(await runProduct(lab), 'dual')
})
