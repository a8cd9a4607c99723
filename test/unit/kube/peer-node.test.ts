import { describe, expect, test } from 'vitest'
import { choosePeer } from '../../../lib/kube/cluster.ts'
import type { NodeObject } from '../../../lib/kube/index.ts'

const node = (name: string, change: Partial<NodeObject> = {}): NodeObject => ({
  name,
  internalIPs: [`198.51.100.${name.slice(1)}`],
  zone: null,
  ready: true,
  runtimeVersion: null,
  podCIDRs: [],
  otherIPs: [],
  virtual: false,
  kubeletPort: null,
  ...change,
})
const all = [node('n3'), node('n1'), node('n2')]
const nameOf = (nodes: readonly NodeObject[], self: string) => {
  const peer = choosePeer(nodes, self)
  return peer.state === 'known' ? peer.value.name : peer
}

describe('the node that is asked from another', () => {
  test.for([
    ['n1', 'n2'],
    ['n2', 'n3'],
    ['n3', 'n1'],
    ['n9', 'n1'],
  ] as const)('comes after it by name: %s asks %s', ([self, peer]) => {
    expect(nameOf(all, self)).toBe(peer)
  })

  test('is Ready and has an address', () => {
    const nodes = [node('n1'), node('n2', { ready: false }), node('n3', { internalIPs: [] }), node('n4')]
    expect(nameOf(nodes, 'n1')).toBe('n4')
  })

  test('knows the addresses of all', () => {
    expect(choosePeer(all, 'n1')).toMatchObject({
      value: { addresses: ['198.51.100.2'], known: ['198.51.100.3', '198.51.100.1', '198.51.100.2'] },
    })
  })

  test('need not be there', () => {
    expect(nameOf([node('n1')], 'n1')).toEqual({
      state: 'absent',
      need: 'another Ready node',
      finding: 'none among 1 Nodes',
    })
  })
})
