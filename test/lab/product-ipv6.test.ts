import { afterAll, beforeAll, it } from 'vitest'
import { type Lab, startLab } from './lab.ts'
import { expectHealthy } from './lab-expect.ts'
import { runProduct } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ family: '6', prefix: 'lb6' })
})
afterAll(() => lab?.stop())

it('is green on a cluster with IPv6 only, whose other family does not apply', async () => {
  expectHealthy(await runProduct(lab), '6')
})
