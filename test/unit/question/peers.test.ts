/** Whom a node asks of its peers: from the plan alone. */
import { describe, expect, it } from 'vitest'
import { peerNodes, peerPods } from '../../../lib/question/peers.ts'
import { parseSettings } from '../../../lib/settings.ts'
import type { Peer } from '../../../lib/types.ts'
import { known, plan, source } from './sample-plan.ts'

const peer = (node: string, changes: Partial<Peer> = {}): Peer => ({
  node,
  zone: 'b',
  addresses: [`198.51.100.${node.slice(1)}`, `2001:db8:51::${node.slice(1)}`],
  pod: { namespace: 'default', name: `web-${node}`, addresses: [`198.18.${node.slice(1)}.5`], port: 8080 },
  ...changes,
})

const over = (family: 4 | 6) => ({ family })
const thrown = (work: () => unknown): string => {
  try {
    work()
    return ''
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

describe('peers', () => {
  const peers = [peer('n1'), peer('n2'), peer('n3', { zone: null, pod: null, addresses: ['198.51.100.3'] })]

  it('are other nodes, by their addresses of the family', () => {
    const asked = plan({ peers })
    expect(peerNodes(asked, over(4)).map(({ name, address, zone }) => [name, address, zone])).toEqual([
      ['n2', '198.51.100.2', 'b'],
      ['n3', '198.51.100.3', undefined],
    ])
    expect(
      peerNodes(plan({ peers, node: { ...asked.node, internalIPs: [] } }), over(6)).map(({ name }) => name),
    ).toEqual(['n2'])
  })

  it('are their pods, each with the port that it serves', () => {
    expect(peerPods(plan({ peers }), over(4))).toEqual([
      {
        port: 8080,
        target: {
          ...{ role: 'a peer pod', name: 'default/web-n2', address: '198.18.2.5', family: 4, protocol: 'icmp' },
          ...{ node: 'n2', zone: 'b' },
        },
      },
    ])
  })

  it.each([
    ['no peers', () => peerPods(plan(), over(4)), /NotApplicable.*needs PEERS, not set/],
    ['this node alone', () => peerNodes(plan({ peers: [peer('n1')] }), over(4)), /another node among PEERS/],
    ['no pod of the family', () => peerPods(plan({ peers }), over(6)), /IPv6 address on another node/],
    [
      'a source without the family',
      () => peerPods(plan({ peers, source: known({ ...source, addresses: ['2001:db8::1'] }) }), over(4)),
      /IPv4 address of the source pod/,
    ],
  ])('%s: not applicable', (_, work, message) => {
    expect(thrown(work)).toMatch(message)
  })
})

describe('PEERS', () => {
  const read = (text: string) => parseSettings({ PEERS: text })

  it('is what a run over all nodes writes', () => {
    const peers = [peer('n2'), peer('n3', { pod: null, zone: null })]
    expect(read(JSON.stringify(peers))).toMatchObject({ problems: [], settings: { peers } })
  })

  it.each([
    ['n2', 'no JSON'],
    ['{}', 'no JSON list'],
    ['[1]', 'entry 1 is no object'],
    ['[{"node":"n2","addresses":["x"]}]', 'entry 1: addresses: "x" is no IP address'],
    ['[{"node":"n2","addresses":[],"pod":{"namespace":"a","name":"b","addresses":[],"port":0}}]', 'entry 1: pod: port'],
    ['[{"addresses":[]}]', 'entry 1: node is no name'],
    ['[{"node":"n2","addresses":["x"]},1]', 'entry 1: addresses: "x" is no IP address; entry 2 is no object'],
    [JSON.stringify(Array.from({ length: 65 }, () => peer('n2'))), '65 peers'],
  ])('%s is refused', (text, problem) => {
    const { problems, settings } = read(text)
    expect(settings.peers).toEqual([])
    expect(problems).toHaveLength(1)
    expect(problems[0]?.problem).toContain(problem)
  })
})
