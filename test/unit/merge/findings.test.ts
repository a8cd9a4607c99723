import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CODES } from '../../../lib/diagnose/codes.ts'
import { joinedFindings, partOf } from '../../../lib/merge/index.ts'
import { askedOf, notGreen } from './asked.ts'
import { byTunnel, type Cluster, clusterOf, type Fault, nameOf, ownTrouble, runsOf, sameEnvironment } from './nodes.ts'

async function joined(cluster: Cluster) {
  const part = clusterOf(cluster)
  const asked = await askedOf(part)
  const { findings, follows } = joinedFindings(part, asked, 'npx vitest run')
  return { part, asked, findings, follows, codes: findings.map(({ code }) => code), bad: notGreen(asked) }
}

const about =
  (node: string, code = 'UNREACHABLE'): Fault =>
  ({ from, to, between }) =>
    between === 'pods' && (from === node || to === node) ? code : null

describe('what failing pairs have in common', () => {
  test('all is well: nothing is found, every question is green', async () => {
    const { findings, bad, asked } = await joined({ nodes: 10, zones: ['a', 'b'] })
    expect(findings).toEqual([])
    expect(bad).toEqual([])
    expect(asked.filter(({ verdict }) => verdict === 'pass')).toHaveLength(12)
  })

  test('a node that exchanges nothing by its tunnel: one finding, in the words of the nodes', async () => {
    const { findings, bad, follows, asked } = await joined({ nodes: 10, fault: about('n7'), told: byTunnel })
    expect(findings).toHaveLength(1)
    const [only] = findings
    expect(only?.cause).toBe(
      'Node n7 exchanges no VXLAN (UDP 8472) with anyone: none of the 9 nodes that asked it was answered, and none of the 9 nodes that it asked answered; the nodes themselves answer.',
    )
    expect(only).toMatchObject({ code: 'NODE_CUT_OFF', confidence: 'proven' })
    expect(only?.remedy).toMatch(/^Open UDP 8472/)
    expect(only?.again).toBe('NODES=n7,n1,n10,n2 npx vitest run checks/cluster')
    expect(bad).toEqual(['pod-pairs 4: fail UNREACHABLE', 'pod-pairs 6: fail UNREACHABLE'])
    for (const { id, verdict } of asked) if (verdict === 'fail') expect(follows.get(id)).toEqual([only?.id])
  })

  test('a node that says itself what it drops: its own code, and which way', async () => {
    const drop = ownTrouble(
      'pod',
      'FIREWALL_DROPS',
      'On node n7 the rule "udp dport 8472 drop" in inet filter input drops tunnel packets.',
      'Remove the rule.',
    )
    const { findings } = await joined({
      ...{ nodes: 10, fault: about('n7') },
      told: (way, code) =>
        way.from === 'n7'
          ? { code: 'FIREWALL_DROPS', cause: drop.findings[0]?.cause ?? '', remedy: 'Remove the rule.' }
          : byTunnel(way, code),
    })
    expect(findings.map(({ code }) => code)).toEqual(['FIREWALL_DROPS'])
    expect(findings[0]?.cause).toMatch(
      /^Node n7 cannot receive VXLAN \(UDP 8472\) from anyone: none of the 9 nodes that asked/,
    )
    expect(findings[0]?.cause).toContain('On node n7 the rule "udp dport 8472 drop"')
    expect(findings[0]?.remedy).toBe('Remove the rule.')
  })

  test('a node that nobody reaches, while it reaches others', async () => {
    const { findings } = await joined({
      nodes: 6,
      fault: ({ to, between }) => (between === 'pods' && to === 'n2' ? 'UNREACHABLE' : null),
    })
    expect(findings).toMatchObject([{ code: 'NODE_UNREACHED_BY_ALL', confidence: 'proven' }])
    expect(findings[0]?.cause).toBe(
      'Nobody reaches the pods of node n2: none of the 5 nodes that asked it was answered, while it reaches 5 of 5 itself; the nodes themselves answer.',
    )
  })

  test('a node that reaches nobody', async () => {
    const { codes } = await joined({
      nodes: 6,
      fault: ({ from, between }) => (between === 'pods' && from === 'n2' ? 'NO_ROUTE' : null),
    })
    expect(codes).toEqual(['NODE_REACHES_NOBODY'])
  })

  test('zones that are cut from each other, each sound inside', async () => {
    const { findings, bad } = await joined({
      ...{ nodes: 9, zones: ['a', 'b', 'c'], families: [4] },
      fault: ({ zones, between }) => (between === 'pods' && zones.toSorted().join() === 'a,b' ? 'UNREACHABLE' : null),
    })
    expect(findings).toMatchObject([{ code: 'ZONES_CUT', confidence: 'proven' }])
    expect(findings[0]?.cause).toMatch(/^Zones a and b do not reach each other: none of 18 pairs/)
    expect(bad).toEqual(['pod-pairs 4: fail UNREACHABLE', 'zone-pairs 4: fail ZONES_CUT'])
    expect(findings[0]?.explains).toHaveLength(2)
  })

  test('one zone that all others are cut from; one that is broken inside too', async () => {
    const zoneB: Fault = ({ zones: [from, to] }) => (from !== to && (from === 'b' || to === 'b') ? 'UNREACHABLE' : null)
    const cut = await joined({ nodes: 9, zones: ['a', 'b', 'c'], fault: zoneB })
    expect(cut.codes).toEqual(['ZONE_CUT_OFF'])
    expect(cut.findings[0]?.cause).toMatch(/^Zone b is cut off from all other zones: none of 36 pairs/)
    const whole = await joined({
      nodes: 9,
      zones: ['a', 'b', 'c'],
      fault: ({ zones }) => (zones.includes('b') ? 'UNREACHABLE' : null),
    })
    expect(whole.findings.map(({ cause }) => cause)).toEqual([
      expect.stringMatching(/^In zone b, into it and out of it nothing is reached/),
    ])
    const inside = await joined({
      nodes: 9,
      zones: ['a', 'b', 'c'],
      fault: ({ zones: [from, to] }) => (from === 'b' && to === 'b' ? 'UNREACHABLE' : null),
    })
    expect(inside.codes).toEqual(['ZONE_BROKEN_INSIDE'])
  })

  test('one family only', async () => {
    const { findings, bad } = await joined({
      nodes: 5,
      fault: ({ family, between }) => (family === 6 && between === 'pods' ? 'UNREACHABLE' : null),
    })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.cause).toMatch(
      /^No node reaches the pods of another over IPv6: none of 20 pairs that asked was answered; over IPv4 they are reached, the nodes themselves answer\.$/,
    )
    expect(bad).toEqual(['pod-pairs 6: fail UNREACHABLE'])
  })

  test('only large packets, and by how much; the node that differs in it is named', async () => {
    const { findings, bad } = await joined({
      ...{ nodes: 40, asks: 8, fault: about('n7', 'PATH_MTU_BLACK_HOLE') },
      environment: (node) =>
        sameEnvironment.map((fact) => (node === 'n7' && fact.name === 'eth0' ? { ...fact, value: 1450 } : fact)),
    })
    expect(findings.map(({ code }) => code)).toEqual(['PATH_MTU_BLACK_HOLE', 'NODE_DIFFERS'])
    expect(findings[0]?.cause).toBe(
      'Large packets to and from the pods of node n7 are lost: 16 of 16 pairs of nodes, at most 1400 bytes pass, others carry 1450. Node n7 differs: MTU of eth0 1450 (39 others: 1500).',
    )
    expect(bad).toEqual([
      'packet-size 4: fail PATH_MTU_BLACK_HOLE',
      'packet-size 6: fail PATH_MTU_BLACK_HOLE',
      'settings-alike: warn NODE_DIFFERS',
    ])
  })

  test('loss on one node', async () => {
    const { findings } = await joined({ nodes: 8, fault: about('n3', 'PACKET_LOSS') })
    expect(findings).toMatchObject([{ code: 'PACKET_LOSS' }])
    expect(findings[0]?.cause).toMatch(
      /^Packets to and from the pods of node n3 are lost again and again: 14 of 14 pairs of nodes/,
    )
  })

  test('two nodes at once are two findings', async () => {
    const { findings } = await joined({
      nodes: 12,
      fault: ({ from, to }) => ([from, to].some((node) => node === 'n2' || node === 'n9') ? 'UNREACHABLE' : null),
    })
    expect(findings.map(({ cause }) => /^Node (n\d+)/.exec(cause)?.[1])).toEqual(['n2', 'n9'])
  })

  describe('of many nodes, one finding', () => {
    const names = Array.from({ length: 12 }, (_, index) => nameOf(7 * index))
    const isBad = (node: string) => names.includes(node)
    const large = { nodes: 100, asks: 6, zones: ['a', 'b'], told: byTunnel }
    const cut: Fault = ({ from, to, between }) =>
      between === 'pods' && (isBad(from) || isBad(to)) ? 'UNREACHABLE' : null

    test('twelve that exchange nothing, with what they alone have', async () => {
      const { findings, follows, asked } = await joined({
        ...{ ...large, fault: cut },
        environment: (node) =>
          sameEnvironment.map((fact) =>
            (isBad(node) && fact.topic === 'kernel') || (node === 'n1' && fact.name === 'eth0')
              ? { ...fact, value: '5.15.0' }
              : fact,
          ),
      })
      const [first] = findings
      expect(first).toMatchObject({
        code: 'NODE_CUT_OFF',
        confidence: 'proven',
        again: 'npx vitest run checks/cluster',
      })
      expect(first?.cause).toBe(
        'Nodes n1, n15, n22, n29, n36, n43 and 6 more exchange no VXLAN (UDP 8472) with anyone: none of 144 pairs of nodes that include one of them answered; the nodes themselves answer. All of them differ: kernel release 5.15.0 (88 others: 6.1.0-18-amd64).',
      )
      expect(first?.hides).toBe('what the pods on nodes n1, n15, n22, n29, n36, n43 and 6 more are like')
      expect(findings.slice(1).map(({ code }) => code)).toEqual(['NODE_DIFFERS'])
      for (const { id, verdict } of asked) if (verdict === 'fail') expect(follows.get(id)).toEqual([first?.id])
    })

    test('that nobody reaches, and that reach nobody', async () => {
      const to = await joined({
        ...large,
        fault: ({ to, between }) => (between === 'pods' && isBad(to) ? 'UNREACHABLE' : null),
      })
      expect(to.findings.map(({ cause }) => cause)).toEqual([
        'Nobody reaches the pods of nodes n1, n15, n22, n29, n36, n43 and 6 more by VXLAN (UDP 8472): none of 72 pairs of nodes that end there answered; the nodes themselves answer.',
      ])
      const from = await joined({ ...large, fault: ({ from }) => (isBad(from) ? 'NO_ROUTE' : null) })
      expect(from.findings.map(({ code, cause }) => [code, cause])).toEqual([
        [
          'NODE_REACHES_NOBODY',
          'Nodes n1, n15, n22, n29, n36, n43 and 6 more reach nobody by VXLAN (UDP 8472): none of 72 pairs of nodes that begin there answered.',
        ],
      ])
    })

    test('those that name a cause of their own are told apart from those that do not', async () => {
      const own = names.slice(0, 4)
      const { findings } = await joined({
        ...{ ...large, fault: cut },
        told: (way, code) =>
          own.includes(way.from)
            ? {
                code: 'FIREWALL_DROPS',
                cause: `On node ${way.from} a rule drops tunnel packets.`,
                remedy: 'Remove it.',
              }
            : byTunnel(way, code),
      })
      expect(findings.map(({ code, cause }) => [code, cause.slice(0, 34)])).toEqual([
        ['NODE_CUT_OFF', 'Nodes n29, n36, n43, n50, n57, n64'],
        ['FIREWALL_DROPS', 'Nodes n1, n15, n22 and n8 exchange'],
      ])
      expect(findings[1]?.cause).toContain('On 4 of 100 nodes (n1, n15, n22 and n8)')
    })
  })

  test('single pairs stay pairs, and are likely until both ways fail', async () => {
    const { findings } = await joined({
      nodes: 8,
      fault: ({ from, to, between }) => (between === 'pods' && from === 'n2' && to === 'n5' ? 'UNREACHABLE' : null),
    })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.cause).toMatch(/^n2 does not reach n5: 1 of 56 pairs of nodes/)
    expect(findings[0]?.confidence).toBe('likely')
  })

  test('most of what a node is asked', async () => {
    const { findings } = await joined({
      nodes: 10,
      fault: ({ from, to, between }) => (between === 'pods' && to === 'n7' && from !== 'n2' ? 'UNREACHABLE' : null),
    })
    expect(findings.map(({ code, confidence }) => `${code} ${confidence}`)).toEqual(['NODE_UNREACHED_BY_ALL likely'])
    expect(findings[0]?.cause).toContain('8 of 9 nodes that asked it were not answered')
  })

  test('a node without a report that nobody reaches', async () => {
    const problem = { code: 'NODE_TIMED_OUT', reason: 'no end within 300 s', hint: 'More time: NODE_TIMEOUT.' }
    const { findings, bad } = await joined({ nodes: 6, silent: { n4: problem }, fault: about('n4') })
    expect(findings[0]?.cause).toContain('it gave no report itself')
    expect(bad).toContain('nodes-answer: inconclusive NODE_TIMED_OUT')
  })

  test('two nodes: neither can be blamed', async () => {
    const { findings } = await joined({ nodes: 2, fault: () => 'UNREACHABLE' })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.confidence).toBe('likely')
    expect(findings[0]?.cause).toMatch(/^No node reaches the nodes of another/)
  })

  test('pairs that could not be looked at are no fault', async () => {
    const { findings, bad } = await joined({ nodes: 4, fault: ({ to }) => (to === 'n2' ? 'PROBE_INCONCLUSIVE' : null) })
    expect(findings).toEqual([])
    expect(bad).toContain('pod-pairs 4: inconclusive PROBE_INCONCLUSIVE')
  })
})

describe('what nodes have alike', () => {
  test('forty nodes with one cause are one finding, with their names', async () => {
    const { findings, bad } = await joined({
      ...{ nodes: 40, asks: 8 },
      own: (node) =>
        node === 'n1' || node === 'n2'
          ? {}
          : ownTrouble(
              'node',
              'FORWARDING_OFF',
              `On node ${node} net.ipv4.ip_forward is 0: pods at 198.18.${node.slice(1)}.0/24 reach nobody.`,
            ),
    })
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ code: 'FORWARDING_OFF', confidence: 'proven', remedy: 'Mend it.' })
    expect(findings[0]?.cause).toMatch(
      /^On 38 of 40 nodes \(n10, n11, n12, n13, n14, n15 and 32 more\): The kernel of this node does not forward/,
    )
    expect(bad).toEqual(['node-checks: fail FORWARDING_OFF'])
  })

  test('a cause that they have on all ends of failing pairs explains the pairs', async () => {
    const { findings, bad } = await joined({
      ...{ nodes: 5, fault: ({ between }) => (between === 'pods' ? 'UNREACHABLE' : null) },
      told: ({ from }) => ({
        code: 'FORWARDING_OFF',
        cause: `On node ${from} net.ipv4.ip_forward is 0.`,
        remedy: 'sysctl',
      }),
    })
    expect(findings.map(({ code }) => code)).toEqual(['FORWARDING_OFF'])
    expect(findings[0]?.explains).toHaveLength(bad.length)
    expect(findings[0]?.cause).toMatch(/^No node reaches the pods of another: .* On 5 of 5 nodes/)
  })

  test('a warning stays one, and is no reason of a failure', async () => {
    const { findings, asked } = await joined({
      nodes: 5,
      own: (node) =>
        node === 'n1'
          ? ownTrouble('node', 'FORWARDING_OFF', 'On node n1 nothing is forwarded.')
          : ownTrouble('node', 'SOFTNET_DROPS', 'The CPUs dropped 3 packets.'),
    })
    expect(findings.map(({ code, explains }) => [code, explains.length])).toEqual([
      ['FORWARDING_OFF', 1],
      ['SOFTNET_DROPS', 0],
    ])
    expect(asked.find(({ file }) => file.includes('node-checks'))).toMatchObject({
      verdict: 'fail',
      code: 'FORWARDING_OFF',
    })
  })

  test('many wordings of one code are one', async () => {
    const words = ['alpha', 'beta', 'gamma', 'delta', 'epsilon']
    const { findings } = await joined({
      nodes: 5,
      own: (node) => ownTrouble('pod', 'LINK_DOWN', `The interface ${words[Number(node.slice(1)) - 1]} is down.`),
    })
    expect(findings.map(({ code }) => code)).toEqual(['LINK_DOWN'])
  })
})

describe('for every cluster', () => {
  const codes = fc.constantFrom(
    'UNREACHABLE',
    'PATH_MTU_BLACK_HOLE',
    'PACKET_LOSS',
    'PROBE_INCONCLUSIVE',
    'ICMP_FILTERED',
  )
  const anyCluster = fc.record({
    nodes: fc.integer({ min: 2, max: 9 }),
    zones: fc.subarray(['a', 'b', 'c']),
    bad: fc.array(fc.tuple(fc.nat(8), fc.nat(8), codes), { maxLength: 12 }),
  })
  const clusterFor = ({
    nodes,
    zones,
    bad,
  }: {
    nodes: number
    zones: string[]
    bad: [number, number, string][]
  }): Cluster => ({
    ...{ nodes, zones, families: [4] },
    fault: ({ from, to }) => bad.find(([a, b]) => nameOf(a) === from && nameOf(b) === to)?.[2] ?? null,
  })

  test('each failing pair is in some finding, codes are known, what is green has none, and the order of nodes is no matter', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(anyCluster, fc.infiniteStream(fc.nat()), async (given, random) => {
        const runs = runsOf(clusterFor(given))
        const part = partOf(runs)
        const asked = await askedOf(part)
        const { findings, follows } = joinedFindings(part, asked, 'npx vitest run')
        const shuffled = runs
          .map((run) => ({ run, at: random.next().value as number }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ run }) => run)
        const again = partOf(shuffled)
        expect(again).toEqual(part)
        expect(joinedFindings(again, asked, 'npx vitest run')).toEqual({ findings, follows })
        for (const { code, cause } of findings) {
          expect(CODES[code]?.kind).toMatch(/fail|warn/)
          expect(cause).not.toMatch(/undefined|null|NaN/)
        }
        const failed = asked.filter(({ verdict }) => verdict === 'fail')
        for (const { id } of failed) expect(follows.get(id)?.length).toBeGreaterThan(0)
        const shown = findings.flatMap(({ evidence }) =>
          evidence.flatMap((item) => (item.kind === 'table' && item.name === 'pairs of nodes' ? item.rows : [])),
        )
        for (const { from, to, reached } of part.pairs) {
          if (reached === false) expect(shown.some((row) => row[0] === from && row[1] === to)).toBe(true)
        }
      }),
      { numRuns: 150 },
    )
  })
})
