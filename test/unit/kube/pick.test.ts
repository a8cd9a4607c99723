import type { V1EndpointSlice, V1NetworkPolicy, V1Pod, V1Service } from '@kubernetes/client-node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PodObject, podObject } from '../../../lib/kube/objects.ts'
import { type Neighbourhood, pickPod, pickService } from '../../../lib/kube/pick.ts'
import { policiesOn, selects } from '../../../lib/kube/policies.ts'
import { type KubeObject, networkPolicy, pod, service, slice } from '../../bed/api-standin-objects.ts'

type Wish = Parameters<typeof pod>[0]
const http = { name: 'http', protocol: 'TCP', port: 8080 }
const toPod = (object: KubeObject) => podObject(object as unknown as V1Pod)
const source = toPod(pod({ name: 'bbox', node: 'n1', ips: ['198.18.1.2'], labels: { app: 'bbox' } }))
const asker = { source, dnsService: 'kube-system/kube-dns' }

interface Change {
  readonly pods?: Readonly<Record<string, Partial<Wish>>>
  readonly policies?: readonly KubeObject[]
  readonly more?: readonly KubeObject[]
}

/** web-a and web-b on n1, web-c and web-d on n2, behind Service web; `change.pods` alters one of them. */
function hood(change: Change = {}): Neighbourhood {
  const wishes = ['a', 'b', 'c', 'd'].map((letter, index): Wish => {
    const name = `web-${letter}`
    return {
      name,
      node: index < 2 ? 'n1' : 'n2',
      ips: [`198.18.${index}.9`],
      labels: { app: 'web' },
      ...change.pods?.[name],
    }
  })
  const ends = wishes.map(({ name, ips = [], node = '', ready = true }) => ({
    address: ips[0] ?? '',
    pod: name,
    node,
    ready,
  }))
  const objects = [
    ...wishes.map((wish) => pod(wish)),
    service('web', ['198.19.0.80'], [{ ...http, port: 80 }]),
    slice(
      'web',
      ends.filter(({ address }) => address),
      [http],
    ),
    ...(change.policies ?? []),
    ...(change.more ?? []),
  ]
  const of = <T>(kind: string) => objects.filter((each) => each.kind === kind) as unknown as T[]
  return {
    pods: [source, ...of<V1Pod>('Pod').map(podObject)],
    slices: of<V1EndpointSlice>('EndpointSlice'),
    services: of<V1Service>('Service'),
    policies: of<V1NetworkPolicy>('NetworkPolicy'),
  }
}
const other = (change: Change) => pickPod('other-node', hood(change), asker)?.name ?? null

describe('pods', () => {
  test('one on another node and one on this node, the first by name, with the endpoint’s port', () => {
    expect(pickPod('other-node', hood(), asker)).toMatchObject({ name: 'web-c', node: 'n2', tcpPorts: [8080] })
    expect(pickPod('same-node', hood(), asker)).toMatchObject({ name: 'web-a', node: 'n1' })
  })
  test('a declared port that no endpoint has is no reason to expect an answer', () => {
    expect(pickPod('other-node', hood({ pods: { 'web-c': { ports: [9999] } } }), asker)?.tcpPorts).toEqual([8080])
  })
  test.each([
    ['not Ready', { ready: false }],
    ['on the host network', { spec: { hostNetwork: true } }],
    ['Windows', { spec: { os: { name: 'windows' } } }],
    ['Windows by its node selector', { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } }],
    ['Pending', { phase: 'Pending' }],
    ['being deleted', { metadata: { deletionTimestamp: 'x' } }],
    ['without an address', { ips: [] }],
  ])('never a pod that is %s', (_, change) => {
    expect(other({ pods: { 'web-c': change } })).toBe('web-d')
  })
  test('never the source itself, nor one behind a UDP port only or behind nothing', () => {
    const own = slice('bbox', [{ address: '198.18.1.2', pod: 'bbox', node: 'n1' }], [http])
    const gone = { pods: { 'web-a': { ready: false }, 'web-b': { ready: false } } }
    expect(pickPod('same-node', hood({ ...gone, more: [own] }), asker)).toBeNull()
    const lone = pod({ name: 'aaa', node: 'n2', ips: ['198.18.2.77'] })
    expect(other({ more: [lone] })).toBe('web-c')
    const udp = slice('aaa', [{ address: '198.18.2.77', pod: 'aaa', node: 'n2' }], [{ protocol: 'UDP', port: 53 }])
    expect(other({ more: [lone, udp] })).toBe('web-c')
  })
  test('never one that a NetworkPolicy selects for ingress, whatever the policy allows', () => {
    const policy = (spec: object) => ({ policies: [networkPolicy('deny', 'default', spec)] })
    expect(other(policy({ podSelector: {} }))).toBeNull()
    expect(other(policy({ podSelector: { matchLabels: { app: 'web' } }, ingress: [{}] }))).toBeNull()
    expect(other(policy({ podSelector: { matchLabels: { app: 'db' } } }))).toBe('web-c')
    expect(other(policy({ podSelector: {}, policyTypes: ['Egress'] }))).toBe('web-c')
    expect(other({ policies: [networkPolicy('deny', 'shop', { podSelector: {} })] })).toBe('web-c')
  })
  test('the source’s namespace first, kube-system and DNS last', () => {
    const elsewhere = (namespace: string, service: string) => [
      pod({ name: 'aaa', namespace, node: 'n2', ips: ['198.18.2.77'] }),
      slice(service, [{ address: '198.18.2.77', pod: 'aaa', node: 'n2' }], [http], { namespace }),
    ]
    const none = { 'web-c': { ready: false }, 'web-d': { ready: false } }
    expect(other({ more: elsewhere('aaa', 'x') })).toBe('web-c')
    expect(other({ pods: none, more: elsewhere('aaa', 'x') })).toBe('aaa')
    expect(other({ pods: none, more: elsewhere('kube-system', 'kube-dns') })).toBe('aaa')
    const both = [
      ...elsewhere('kube-system', 'kube-dns'),
      pod({ name: 'zzz', namespace: 'zzz', node: 'n2', ips: ['198.18.2.78'] }),
    ]
    const behind = slice('z', [{ address: '198.18.2.78', pod: 'zzz', node: 'n2' }], [http], { namespace: 'zzz' })
    expect(other({ pods: none, more: [...both, behind] })).toBe('zzz')
  })
  test('asked from kube-system, a DNS pod beside the source comes after a pod of another namespace', () => {
    const system = { namespace: 'kube-system' }
    const dns = [
      pod({ ...system, name: 'coredns', node: 'n2', ips: ['198.18.2.3'] }),
      slice('kube-dns', [{ address: '198.18.2.3', pod: 'coredns', node: 'n2' }], [http], system),
    ]
    const inside = { ...asker, source: toPod(pod({ ...system, name: 'agent', node: 'n1', ips: ['198.18.1.4'] })) }
    expect(pickPod('other-node', hood({ more: dns }), inside)?.name).toBe('web-c')
    expect(pickPod('other-node', hood({ more: dns }), { ...inside, dnsService: null })?.name).toBe('coredns')
  })
  test('the order in which objects are listed does not matter', () => {
    const all = hood()
    const shuffled = fc.tuple(
      fc.shuffledSubarray([...all.pods], { minLength: all.pods.length }),
      fc.shuffledSubarray([...all.slices], { minLength: all.slices.length }),
    )
    fc.assert(
      fc.property(shuffled, ([pods, slices]) => {
        expect(pickPod('other-node', { ...all, pods, slices }, asker)?.name).toBe('web-c')
        expect(pickPod('same-node', { ...all, pods, slices }, asker)?.name).toBe('web-a')
      }),
    )
  })
})

describe('services', () => {
  const picked = (change: Change, pods = ['default/web-c']) =>
    pickService(hood(change), asker, pods)?.metadata?.name ?? null
  const behind = (name: string, spec: object = {}, ports = [http]) => [
    service(name, ['198.19.0.81'], ports, { spec }),
    slice(name, [{ address: '198.18.0.9', pod: 'web-a', node: 'n1' }], ports),
  ]
  test('the picked pods’ Service comes before others of the namespace', () => {
    expect(picked({ more: behind('aaa') })).toBe('web')
    expect(picked({ more: behind('aaa') }, [])).toBe('aaa')
  })
  test('never default/kubernetes, never headless, never one without ready endpoints', () => {
    const api = [service('kubernetes', ['198.19.0.1'], [http]), ...behind('kubernetes').slice(1)]
    const dead = {
      'web-a': { ready: false },
      'web-b': { ready: false },
      'web-c': { ready: false },
      'web-d': { ready: false },
    }
    expect(picked({ pods: dead, more: api })).toBeNull()
    expect(picked({ more: behind('aaa', { clusterIP: 'None', clusterIPs: ['None'] }) }, [])).toBe('web')
  })
  test('never one whose endpoint a NetworkPolicy selects, or is no pod, or is on the host network', () => {
    const policy = networkPolicy('p', 'default', { podSelector: { matchLabels: { only: 'd' } } })
    expect(picked({ pods: { 'web-d': { labels: { only: 'd' } } }, policies: [policy] })).toBeNull()
    expect(picked({ pods: { 'web-d': { spec: { hostNetwork: true } } } })).toBeNull()
    expect(picked({ more: [slice('web', [{ address: '192.0.2.9' }], [http], { suffix: 'ext' })] })).toBeNull()
  })
  test('internalTrafficPolicy Local needs an endpoint here', () => {
    const local = { internalTrafficPolicy: 'Local' }
    const far = [
      service('aaa', ['198.19.0.81'], [http], { spec: local }),
      slice('aaa', [{ address: '198.18.2.9', pod: 'web-c', node: 'n2' }], [http]),
    ]
    expect(picked({ more: far }, [])).toBe('web')
    expect(picked({ more: behind('aaa', local) }, [])).toBe('aaa')
  })
  test('the DNS Service only when there is nothing else', () => {
    const system = { namespace: 'kube-system' }
    const dns = [
      pod({ ...system, name: 'coredns', node: 'n1', ips: ['198.18.1.3'] }),
      service('kube-dns', ['198.19.0.10'], [http], system),
      slice('kube-dns', [{ address: '198.18.1.3', pod: 'coredns', node: 'n1' }], [http], system),
    ]
    expect(picked({ more: dns }, [])).toBe('web')
    const dead = {
      'web-a': { ready: false },
      'web-b': { ready: false },
      'web-c': { ready: false },
      'web-d': { ready: false },
    }
    expect(picked({ pods: dead, more: dns }, [])).toBe('kube-dns')
  })
})

describe('label selectors', () => {
  const labels = { app: 'web', tier: 'front' }
  test.each([
    [{}, true],
    [undefined, true],
    [{ matchLabels: { app: 'web' } }, true],
    [{ matchLabels: { app: 'web', tier: 'back' } }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'db'] }] }, true],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, false],
    [{ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['x'] }] }, true],
    [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['x'] }] }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'Exists' }] }, true],
    [{ matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] }, true],
    [{ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, false],
  ])('%j: %s', (selector, expected) => {
    expect(selects(selector, labels)).toBe(expected)
  })
  test('a policy without policyTypes is for ingress, and for egress only with egress rules', () => {
    const of = (spec: object): V1NetworkPolicy[] => [
      networkPolicy('p', 'default', { podSelector: {}, ...spec }) as unknown as V1NetworkPolicy,
    ]
    const on = (pod: PodObject, spec: object) => [
      policiesOn(pod, of(spec), 'Ingress').length,
      policiesOn(pod, of(spec), 'Egress').length,
    ]
    expect(on(source, {})).toEqual([1, 0])
    expect(on(source, { egress: [{}] })).toEqual([1, 1])
    expect(on(source, { policyTypes: ['Egress'] })).toEqual([0, 1])
  })
})
