import type { V1Pod } from '@kubernetes/client-node'
import { describe, expect, test } from 'vitest'
import { choosePod, matching, type PodName } from '../../../lib/kube/choose.ts'
import { type PodObject, podObject } from '../../../lib/kube/objects.ts'
import { chooseHere } from '../../../lib/kube/source.ts'
import type { Fact } from '../../../lib/types.ts'
import { pod } from '../../bed/api-standin-objects.ts'

type Wish = Parameters<typeof pod>[0]
const make = (wish: Wish): PodObject => podObject(pod({ node: 'n1', ips: ['198.18.1.9'], ...wish }) as unknown as V1Pod)
const web = (suffix: string, more: Partial<Wish> = {}) =>
  make({ name: `web-64957f6c7b-${suffix}`, owner: 'Deployment/web', ...more })
const named = (name: string): PodName => ({ kind: 'pod', namespace: null, name })
const nameOf = (fact: Fact<{ pod: PodObject }> | null) =>
  fact?.state === 'known' ? fact.value.pod.name : fact?.state === 'unknown' ? fact.code : fact

describe('what a reference matches', () => {
  const all = [web('aaaaa'), web('bbbbb'), make({ name: 'web' }), make({ name: 'web-0', owner: 'StatefulSet/web' })]
  test('an exact name before the start of one', () => {
    expect(matching(named('web'), all).map(({ name }) => name)).toEqual(['web'])
    expect(matching(named('web-6'), all)).toHaveLength(2)
    expect(matching(named('eb'), all)).toHaveLength(0)
  })
  test('a workload by its kind: Deployment through the pod-template-hash, ReplicaSet itself, Job, CronJob', () => {
    const of = (workload: 'Deployment' | 'ReplicaSet' | 'StatefulSet', name: string) =>
      matching({ kind: 'workload', namespace: null, workload, name }, all).map((each) => each.name)
    expect(of('Deployment', 'web')).toEqual(['web-64957f6c7b-aaaaa', 'web-64957f6c7b-bbbbb'])
    expect(of('ReplicaSet', 'web-64957f6c7b')).toHaveLength(2)
    expect(of('StatefulSet', 'web')).toEqual(['web-0'])
    const job = make({ name: 'backup-29512345-x', owner: 'Job/backup-29512345' })
    expect(job.owners).toEqual([
      { kind: 'Job', name: 'backup-29512345' },
      { kind: 'CronJob', name: 'backup' },
    ])
    expect(make({ name: 'load-1-x', owner: 'Job/load-1' }).workload).toEqual({ kind: 'Job', name: 'load-1' })
  })
})

describe('choosing', () => {
  test('replicas of one workload are not ambiguous: the first Ready one by name', () => {
    expect(
      nameOf(choosePod(named('web'), 'SRC_POD', [web('ccccc'), web('bbbbb'), web('aaaaa', { ready: false })])),
    ).toBe('web-64957f6c7b-bbbbb')
  })
  test('two ReplicaSets of one Deployment, in the middle of a rollout, are one workload', () => {
    const other = make({ name: 'web-7cbbf57b6b-zzzzz', owner: 'Deployment/web' })
    expect(nameOf(choosePod(named('web'), 'SRC_POD', [web('bbbbb'), other]))).toBe('web-64957f6c7b-bbbbb')
  })
  test('several workloads are ambiguous, and are listed; finished pods do not count', () => {
    const lonely = make({ name: 'web-debug' })
    const fact = choosePod(named('web'), 'SRC_POD', [web('aaaaa'), lonely])
    expect(fact).toMatchObject({
      code: 'POD_AMBIGUOUS',
      reason: expect.stringMatching(/Deployment default\/web.*pod default\/web-debug/),
    })
    expect(fact).toMatchObject({ hint: expect.stringContaining('default/web-debug') })
    expect(
      nameOf(
        choosePod(named('web'), 'SRC_POD', [web('aaaaa'), make({ name: 'web-debug', phase: 'Succeeded', ips: [] })]),
      ),
    ).toBe('web-64957f6c7b-aaaaa')
  })
  test('none Ready: the first that runs, with a note; one that is being deleted comes after the others', () => {
    const broken = web('bbbbb', {
      ready: false,
      status: { containerStatuses: [{ state: { waiting: { reason: 'CrashLoopBackOff' } } }] },
    })
    const fact = choosePod(named('web'), 'SRC_POD', [broken])
    expect(fact).toMatchObject({
      state: 'known',
      value: { notes: ['default/web-64957f6c7b-bbbbb is not Ready (CrashLoopBackOff)'] },
    })
    const leaving = web('aaaaa', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })
    expect(nameOf(choosePod(named('web'), 'SRC_POD', [leaving, web('bbbbb')]))).toBe('web-64957f6c7b-bbbbb')
  })
  test.each([
    [{ phase: 'Pending', ips: [] }, /still Pending/],
    [{ phase: 'Succeeded' }, /has completed/],
    [{ phase: 'Failed', status: { reason: 'Evicted' } }, /is Failed \(Evicted\)/],
  ] as const)('%o has no network', (more, sentence) => {
    const fact = choosePod(named('web-64957f6c7b-aaaaa'), 'SRC_POD', [
      web('aaaaa', { ...more, ips: 'ips' in more ? [] : ['198.18.1.2'] }),
    ])
    expect(fact).toMatchObject({ code: 'POD_NOT_RUNNING', reason: expect.stringMatching(sentence) })
  })
  test('a Pending pod whose sandbox has an address can be asked from: its containers may wait for the network', () => {
    expect(nameOf(choosePod(named('web'), 'SRC_POD', [web('aaaaa', { phase: 'Pending' })]))).toBe(
      'web-64957f6c7b-aaaaa',
    )
  })
})

describe('on this node', () => {
  const scope = { named: null, first: 'default' }
  const shop = make({ name: 'cart-0', namespace: 'shop' })
  test('the first namespace wins over all others', () => {
    expect(chooseHere(named('cart'), scope, [shop, make({ name: 'cart-1' })])).toMatchObject({
      value: { pod: { name: 'cart-1' }, notes: [] },
    })
  })
  test('not there, but in exactly one other: that one, with a note', () => {
    expect(chooseHere(named('cart'), scope, [shop])).toMatchObject({
      value: {
        pod: { namespace: 'shop' },
        notes: [expect.stringMatching(/namespace default has no such pod on this node, shop has/)],
      },
    })
  })
  test('in several others: ambiguous; not when the others have finished', () => {
    const other = { name: 'cart-0', namespace: 'staging' }
    expect(chooseHere(named('cart'), scope, [shop, make(other)])).toMatchObject({
      code: 'POD_AMBIGUOUS',
      reason: expect.stringMatching(/shop\/cart-0 and staging\/cart-0/),
    })
    expect(nameOf(chooseHere(named('cart'), scope, [shop, make({ ...other, phase: 'Failed' })]))).toBe('cart-0')
  })
  test('a named namespace is the only one', () => {
    expect(chooseHere(named('cart'), { named: 'default', first: 'default' }, [shop])).toBeNull()
  })
})
