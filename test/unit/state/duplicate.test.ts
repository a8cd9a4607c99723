import { describe, expect, it } from 'vitest'
import { judgeDuplicate } from '../../../lib/probe/state/duplicate.ts'
import type { NamespaceState } from '../../../lib/state.ts'
import { address, GATEWAY, link, neighbour, node, PEER_MAC, pod, V4 } from './sample-state.ts'

const OTHER = '02:bb:bb:bb:bb:bb'
const judge = (
  claims: string[],
  more: { pod?: NamespaceState; node?: NamespaceState; answersForAll?: string[] } = {},
) => judgeDuplicate({ address: V4, claims, pod: pod(), node: node(), answersForAll: [], ...more })

describe('judgeDuplicate', () => {
  it('nobody answers', () => {
    expect(judgeDuplicate({ address: V4, claims: [] })).toMatchObject({ is: 'fine' })
  })

  it('another machine answers: its MAC, the port it is behind, and what else it has', () => {
    const fdb = [{ mac: OTHER, device: 'veth9', destination: null, permanent: false }]
    const seen = node(undefined, { fdb, neighbours: [neighbour('198.18.1.9', OTHER, { device: 'cni0' })] })
    expect(judge([OTHER], { node: seen })).toMatchObject({
      is: 'broken',
      code: 'DUPLICATE_ADDRESS',
      detail: expect.stringMatching(
        /02:bb:bb:bb:bb:bb \(behind veth9 of the node, which also has 198\.18\.1\.9\) answers for/,
      ),
    })
  })

  it('the node itself holds the address', () => {
    const held = node(undefined, { addresses: [...node().addresses, address(V4, { device: 'cni0' })] })
    expect(judge([PEER_MAC], { node: held })).toMatchObject({
      is: 'broken',
      detail: expect.stringContaining('the node itself, veth6'),
    })
  })

  it.each([
    ['the node’s end of the pair (proxy ARP)', [PEER_MAC], {}],
    ['another interface of the node', ['02:00:00:00:00:04'], {}],
    [
      'whoever is the gateway (a logical router)',
      [OTHER],
      { pod: pod({ neighbours: [neighbour(GATEWAY, OTHER, { state: 'REACHABLE' })] }) },
    ],
    ['a switch that answers for everything', [OTHER], { answersForAll: [OTHER] }],
    [
      'another interface of the pod',
      [OTHER],
      { pod: pod({ links: [link('eth0'), link('net1', { index: 3, mac: OTHER })] }) },
    ],
  ])('no alarm for %s', (_, claims, more) => {
    expect(judge(claims, more)).toMatchObject({ is: 'fine' })
  })
})
