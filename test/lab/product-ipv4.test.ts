import { afterAll, beforeAll, it } from 'vitest'
import { type Lab, startLab } from './lab.ts'
import { expectHealthy } from './lab-expect.ts'
import { runProduct } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ family: '4', prefix: 'lb4' })
})
afterAll(() => lab?.stop())

it('is green on a cluster with IPv4 only, whose other family does not apply', async () => {
  expectHealthy(await runProduct(lab), '4')
})
