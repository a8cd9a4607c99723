import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pickSandbox, readyPods, workloadOf } from '../../../lib/runtime/pick.ts'
import type { PodQuery, Sandbox } from '../../../lib/runtime/types.ts'

const sandbox = (parts: Partial<Sandbox>): Sandbox => ({
  id: 'x',
  namespace: 'default',
  name: 'web',
  uid: 'u',
  attempt: 0,
  ready: true,
  createdAt: 0,
  labels: {},
  annotations: { 'kubernetes.io/config.source': 'api' },
  ...parts,
})
const query = (parts: Partial<PodQuery>): PodQuery => ({
  namespace: null,
  name: null,
  prefix: null,
  uid: null,
  addresses: [],
  ...parts,
})

describe('workloadOf', () => {
  test.each([
    ['web-64957f6c7b-8hdc4', { 'pod-template-hash': '64957f6c7b' }, 'web'],
    ['my-64957f6c7b-64957f6c7b-8hdc4', { 'pod-template-hash': '64957f6c7b' }, 'my-64957f6c7b'],
    ['db-0', { 'controller-revision-hash': 'db-5d8f' }, 'db'],
    ['db-12', { 'controller-revision-hash': 'db-5d8f' }, 'db'],
    ['cilium-x7k2p', { 'controller-revision-hash': '5d8f' }, 'cilium'],
    ['job-4x7kp', { 'batch.kubernetes.io/job-name': 'job' }, 'job'],
    ['old-4x7kp', { 'job-name': 'old' }, 'old'],
    ['alone', {}, 'alone'],
    ['alone-0', {}, 'alone-0'],
  ])('%s', (name, labels, workload) => {
    expect(workloadOf(name, labels as Record<string, string>)).toBe(workload)
  })
})

describe('pickSandbox', () => {
  const id = (sandboxes: Sandbox[], parts: Partial<PodQuery>) => {
    const fact = pickSandbox(sandboxes, query(parts))
    return fact.state === 'known' ? fact.value.id : fact.state === 'unknown' ? fact.code : fact.state
  }

  test('a later attempt wins over one of the same second', () => {
    expect(id([sandbox({ id: 'b', attempt: 1 }), sandbox({ id: 'a', attempt: 0 })], { name: 'web' })).toBe('b')
    expect(id([sandbox({ id: 'a', attempt: 0 }), sandbox({ id: 'b', attempt: 1 })], { name: 'web' })).toBe('b')
  })

  test('a name is exact, a prefix is not', () => {
    const pods = [sandbox({ id: 'a', name: 'web' }), sandbox({ id: 'b', name: 'web-2' })]
    expect(id(pods, { name: 'web' })).toBe('a')
    expect(id(pods, { name: 'we' })).toBe('POD_NOT_ON_NODE')
    expect(id(pods, { prefix: 'web-' })).toBe('b')
    expect(id(pods, { prefix: 'web' })).toBe('POD_AMBIGUOUS')
  })

  test('replicas of one Deployment in two namespaces are two workloads', () => {
    const labels = { 'pod-template-hash': 'h' }
    const pods = [
      sandbox({ id: 'b', name: 'web-h-b', labels }),
      sandbox({ id: 'a', name: 'web-h-a', labels }),
      sandbox({ id: 'c', name: 'web-h-c', labels, namespace: 'other' }),
    ]
    expect(id(pods, { prefix: 'web' })).toBe('POD_AMBIGUOUS')
    expect(id(pods, { prefix: 'web', namespace: 'default' })).toBe('a')
  })

  test('a uid alone names a pod; a query without anything names none', () => {
    const pods = [sandbox({ id: 'a', uid: '1' }), sandbox({ id: 'b', uid: '2', name: 'x' })]
    expect(id(pods, { uid: '2' })).toBe('b')
    expect(id(pods, {})).toBe('POD_NOT_ON_NODE')
  })

  test('a static pod is told by its source, or by a uid that is a hash where no source is recorded', () => {
    const wanted = { name: 'web', namespace: 'default', uid: 'api' }
    expect(id([sandbox({ annotations: { 'kubernetes.io/config.source': 'http' } })], wanted)).toBe('x')
    expect(id([sandbox({ annotations: {}, uid: '0'.repeat(32) })], wanted)).toBe('x')
    expect(id([sandbox({ annotations: {} })], wanted)).toBe('POD_NOT_RUNNING')
    expect(id([sandbox({})], wanted)).toBe('POD_NOT_RUNNING')
  })

  test('the same name in another namespace is the closest', () => {
    const fact = pickSandbox([sandbox({ namespace: 'shop' })], query({ namespace: 'default', name: 'web' }))
    expect(fact).toMatchObject({ code: 'POD_NOT_ON_NODE', hint: expect.stringContaining('shop/web') })
  })

  test('whatever the order and the leftovers: the newest ready one', () => {
    const attempts = fc.array(fc.record({ ready: fc.boolean(), createdAt: fc.nat(5), attempt: fc.nat(3) }), {
      minLength: 1,
    })
    fc.assert(
      fc.property(attempts, (list) => {
        const fact = pickSandbox(list.map(sandbox), query({ name: 'web' }))
        const ready = list.filter((one) => one.ready)
        if (ready.length === 0) {
          expect(fact).toMatchObject({ code: 'POD_NOT_RUNNING' })
          return
        }
        const rank = (one: { createdAt: number; attempt: number }) => one.createdAt * 10 + one.attempt
        if (fact.state !== 'known') throw new Error('not found')
        expect(fact.value.ready).toBe(true)
        expect(rank(fact.value)).toBe(Math.max(...ready.map(rank)))
      }),
    )
  })
})

test('readyPods lists each pod once, by namespace and name', () => {
  const pods = readyPods([
    sandbox({ namespace: 'b', name: 'x', createdAt: 5, uid: 'old' }),
    sandbox({ namespace: 'b', name: 'x', createdAt: 9, uid: 'new' }),
    sandbox({ namespace: 'b', name: 'gone', ready: false }),
    sandbox({ namespace: 'a', name: 'y' }),
  ])
  expect(pods.map(({ namespace, name, uid }) => `${namespace}/${name}/${uid}`)).toEqual(['a/y/u', 'b/x/new'])
})
