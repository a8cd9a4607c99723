/** Which port of a service leads a pod back to itself. */
import { expect, test } from 'vitest'
import { ownPort } from '../../../lib/question/hairpin.ts'
import { endpoint, known, service, source } from '../question/sample-plan.ts'

const self = endpoint('198.18.1.9', { pod: 'default/bbox', node: 'n1' })
const other = endpoint('198.18.2.9', { pod: 'default/web' })
const own = (endpoints: readonly (typeof self)[], changes = {}) =>
  ownPort({ ...service, ...changes, endpoints: known(endpoints) }, source, 4, 'n1')

test('the one that has the pod among its ready endpoints, with all others', () => {
  expect(own([self, other])).toEqual({ port: 80, self, others: [other] })
})

test('none, if the pod is not ready, not behind it, or only by another protocol or family', () => {
  expect(own([other])).toBeNull()
  expect(own([{ ...self, ready: false }])).toBeNull()
  expect(own([{ ...self, protocol: 'udp' }])).toBeNull()
  expect(own([{ ...self, family: 6 }])).toBeNull()
})

test('with internalTrafficPolicy Local the others of this node only', () => {
  expect(own([self, other], { internalTrafficLocal: true })?.others).toEqual([])
})
