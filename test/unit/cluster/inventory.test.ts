import type { V1EndpointSlice } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { type Candidate, candidatesOf, chosen, podsByNode } from '../../../lib/cluster/inventory.ts'

const candidate = (pod: string, node: string, rest: Partial<Candidate> = {}): Candidate => ({
  pod,
  node,
  service: 'shop/web',
  address: `198.18.0.${pod.length}`,
  family: 4,
  port: 8080,
  ...rest,
})

const pick = (candidates: readonly Candidate[], closed: readonly string[] = [], nodes: readonly string[] = []) =>
  Object.fromEntries(
    [...podsByNode(candidates, new Set(closed), new Set(nodes))].map(([node, { namespace, name }]) => [
      node,
      `${namespace}/${name}`,
    ]),
  )

describe('podsByNode', () => {
  it('prefers pods of the service that is on most nodes, then the first by name', () => {
    const everywhere = ['n1', 'n2', 'n3'].map((node) =>
      candidate(`infra/agent-${node}`, node, { service: 'infra/agent' }),
    )
    const some = [candidate('app/a', 'n1'), candidate('app/b', 'n1')]
    expect(pick([...some, ...everywhere])).toEqual({ n1: 'infra/agent-n1', n2: 'infra/agent-n2', n3: 'infra/agent-n3' })
    expect(pick(some.toReversed())).toEqual({ n1: 'app/a' })
  })

  it('leaves out pods that use the host’s network, and namespaces with policies', () => {
    const own = candidate('app/b', 'n1', { address: '198.18.0.9' })
    const host = candidate('app/a', 'n1', { address: '198.51.100.1' })
    expect(pick([host, own], [], ['198.51.100.1'])).toEqual({ n1: 'app/b' })
    expect(pick([host, own], ['app'], [])).toEqual({})
  })

  it('joins the addresses of both families, IPv4 first, and keeps a port', () => {
    const six = candidate('app/a', 'n1', { family: 6, address: '2001:db8::1', service: 'shop/web' })
    const four = candidate('app/a', 'n1', { address: '198.18.0.1' })
    expect(podsByNode([six, four], new Set(), new Set()).get('n1')).toEqual({
      namespace: 'app',
      name: 'a',
      addresses: ['198.18.0.1', '2001:db8::1'],
      port: 8080,
    })
  })
})

describe('candidatesOf', () => {
  const slice = (endpoint: object, port: object = { port: 80, protocol: 'TCP' }): V1EndpointSlice =>
    ({
      metadata: { namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['198.18.0.1'],
          nodeName: 'n1',
          targetRef: { kind: 'Pod', namespace: 'shop', name: 'web-1' },
          ...endpoint,
        },
      ],
      ports: [port],
    }) as V1EndpointSlice

  it('takes ready TCP endpoints that are pods', () => {
    expect(candidatesOf(slice({}))).toEqual([
      { node: 'n1', pod: 'shop/web-1', service: 'shop/web', address: '198.18.0.1', family: 4, port: 80 },
    ])
    expect(candidatesOf(slice({ conditions: { ready: false } }))).toEqual([])
    expect(candidatesOf(slice({}, { port: 53, protocol: 'UDP' }))).toEqual([])
    expect(candidatesOf(slice({ targetRef: undefined }))).toEqual([])
    expect(candidatesOf(slice({ nodeName: undefined }))).toEqual([])
  })
})

it('NODES chooses by name, and tells names that there are none of', () => {
  const member = (node: string) => ({ node, zone: null, addresses: [], pod: null, notReady: null })
  const all = ['n1', 'n2', 'n3'].map(member)
  expect(chosen(all, []).members).toEqual(all)
  expect(chosen(all, ['n3', 'n9'])).toEqual({ members: [member('n3')], unknown: ['n9'] })
})
