import { describe, expect, it } from 'vitest'
import { judgePodLink } from '../../../lib/probe/state/pod-link.ts'
import { wayToPod } from '../../../lib/probe/state/way-to-pod.ts'
import { settled } from '../../../lib/report/model.ts'
import { sceneOf } from '../../../lib/report/scene/index.ts'
import type { Mark, Scene } from '../../../lib/report/scene/types.ts'
import { sceneLines, stopSentence } from '../../../lib/report/scene/words.ts'
import type { Report, Result } from '../../../lib/types.ts'
import { address, bridge, DECLARED, link, node, peer, pod, route } from '../state/sample-state.ts'
import { recorded } from './recorded.ts'
import { report, result } from './sample.ts'

const scene = (given: Report): Scene => {
  const found = sceneOf(settled(given))
  if (!found) throw new Error('no scene')
  return found
}
const states = (marks: readonly Mark[] = []): string =>
  marks.map(({ state, families }) => `${state}${families.length > 0 ? ` ${families}` : ''}`).join(', ')
/** "pod eth0 -1450 answers-> veth veth1 -...": the trunk in one line. */
const trunk = ({ stations, links, end }: Scene): string => {
  const parts = stations.map((station, index) => {
    const next = links[index]
    const size = next && `${next.mtu ?? '?'}${next.farMtu ? `/${next.farMtu}` : ''}`
    return `${station.kind} ${station.device?.name ?? station.name}${next ? ` -${size} ${states(next.marks)}->` : ''}`
  })
  return `${parts.join(' ')}${end ? `: ${states(end.marks)}` : ''}`
}
const branches = (of: Scene) => Object.fromEntries(of.branches.map(({ id, marks }) => [id, states(marks)]))
const stops = (of: Scene) => of.stops.map((stop) => stopSentence(stop, of))

const changed = (given: Report, change: (result: Result) => Result | null): Report => ({
  ...given,
  results: given.results.flatMap((one) => change(one) ?? []),
})
const isFile = (one: Result, name: string) => one.file.endsWith(`/${name}.test.ts`)
const failing = (one: Result): Result => ({
  ...one,
  ...{ verdict: 'fail', code: 'UNREACHABLE', answers: [], evidence: [], findings: [] },
})

describe('a sound cluster', () => {
  const sound = recorded('healthy')

  it('is the whole path with the MTU of each link, both families at once', () => {
    expect(trunk(scene(sound))).toMatch(
      /^pod eth0 -1450 answers-> veth veth\w+ -1450 answers-> bridge cni0 -1450 answers-> tunnel vx0 -1500 answers-> uplink eth0 -1500 answers-> node n2 -\? answers-> pod web-\S+: answers$/,
    )
    expect(scene(sound).families).toEqual([4, 6])
    expect(scene(sound).end?.mtu).toBe(1450)
    expect(scene(sound).stops).toEqual([])
  })

  it('has whom the pod reaches beside it; of an address of one family only that is told', () => {
    expect(branches(scene(sound))).toEqual({
      ...{ 'same-node': 'answers', service: 'answers', dns: 'answers', api: 'answers 4', external: 'answers' },
    })
    expect(scene(sound).branches.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^web-/),
      ...['web', '198.19.0.10', 'kubernetes', '203.0.113.9'],
    ])
  })

  it('is told in words too', () => {
    const lines = sceneLines(scene(sound))
    expect(lines).toHaveLength(6 + 1 + 5)
    expect(lines[3]).toBe("tunnel (vxlan) vx0 to node's uplink eth0: ✓ packets pass, MTU 1500")
    expect(lines.at(-3)).toBe('DNS 198.19.0.10: ✓ answers')
  })

  it('without what says by which interface packets leave, nothing is drawn there, and nothing is known of it', () => {
    const unknown = changed(sound, (one) =>
      isFile(one, 'link') ? { ...one, evidence: one.evidence.filter(({ name }) => name === 'interfaces') } : one,
    )
    expect(trunk(scene(unknown))).toMatch(/bridge cni0 -\? answers-> node n2 -\? answers-> pod web/)
  })

  it('a pod of the node’s own network has no interface of its own', () => {
    const host = changed(sound, (one) =>
      isFile(one, 'link') ? { ...one, verdict: 'not-applicable', evidence: [] } : one,
    )
    expect(trunk(scene(host))).toMatch(/^pod default\/bbox-\S+ -\? answers-> node n2 -\? answers-> pod web/)
  })

  it('asked from the node alone it begins there', () => {
    const alone = changed({ ...sound, source: null }, (one) => (one.place === 'node' ? one : null))
    expect(trunk(scene(alone))).toBe('node n1 -1500 answers-> uplink eth0 -1500 answers-> node n2: answers')
    expect(branches(scene(alone))).toEqual({ api: 'answers' })
  })

  it('without another node it ends on this one, and says why', () => {
    const single = changed(sound, (one) =>
      one.row === 'other-node'
        ? { ...one, verdict: 'not-applicable', seen: 'needs a pod on another node, there is one node', targets: [] }
        : one,
    )
    const { end, stations } = scene(single)
    expect(states(end?.marks)).toBe('not-asked')
    expect(end?.notes).toEqual(['needs a pod on another node, there is one node'])
    expect(stations.at(-1)).toMatchObject({ name: 'on another node', node: null })
  })
})

describe('where packets stop', () => {
  it.each([
    [
      'tunnel-unanswered',
      /uplink eth0 -1500 broken-> node n2 -\? unknown-> pod \S+ broken$/,
      /^TUNNEL_UNANSWERED: packets to the pod on another node end beyond eth0$/,
    ],
    [
      'firewall-drops',
      /bridge cni0 -1450 partly-> tunnel vx0 -1500 answers->.*partly$/,
      /^FIREWALL_DROPS: some packets to the pod on another node end between cni0 and vx0 \(IPv4\)$/,
    ],
    [
      'answer-lost',
      /tunnel vx0 -1500 broken-> uplink eth0 -1500 answers->.*broken$/,
      /^ANSWER_LOST_ON_NODE: answers from the pod on another node end between vx0 and eth0$/,
    ],
    [
      'black-hole',
      /uplink eth0 -1500 partly-> node n2 -\? answers->.*partly$/,
      /^PATH_MTU_BLACK_HOLE: more than 1325 bytes to the pod on another node end beyond vx0$/,
    ],
    [
      'nothing-listening',
      /-1500 answers-> node n2 -\? answers-> pod \S+ partly$/,
      /^NOTHING_LISTENING: some packets to the pod on another node are refused at its end$/,
    ],
  ] as const)('%s', (name, way, sentence) => {
    const found = scene(recorded(name))
    expect(trunk(found)).toMatch(way)
    expect(stops(found)[0]).toMatch(sentence)
  })

  it('what depends on it says so, and the rest answers', () => {
    const found = scene(recorded('tunnel-unanswered'))
    expect(branches(found)).toEqual({
      ...{ 'same-node': 'answers', service: 'partly', dns: 'partly', api: 'answers 4', external: 'answers' },
    })
    expect(stops(found).slice(1)).toEqual([
      'TUNNEL_UNANSWERED: some packets to DNS end beyond eth0',
      'TUNNEL_UNANSWERED: some packets to the service end beyond eth0',
    ])
  })

  it('what was seen of the node’s own probes, or explains its checks alone, is no place on the pod’s way', () => {
    const given = recorded('tunnel-unanswered')
    const seen = (from: string) => ({
      ...{ kind: 'table' as const, name: 'ping of 198.18.2.2 asked again 7, 0, 11 times: seen' },
      ...{ columns: ['where', 'interface', 'packet', 'times'] },
      rows: [['asking side', 'out by eth0', `probe: ${from} to 198.18.2.2`, '7, 0, 11']],
    })
    const withSeen = (from: string): Report => ({
      ...given,
      findings: given.findings.map((one) => ({ ...one, code: 'LOST_ON_NODE', evidence: [seen(from)] })),
    })
    expect(stops(scene(withSeen('198.18.1.2')))[0]).toMatch(/end between eth0 and veth\w+$/)
    expect(stops(scene(withSeen('198.51.100.1')))[0]).toMatch(/end at a place not known$/)
    const ofNode = changed(given, (one) => (one.findings.length > 0 ? { ...one, place: 'node' } : one))
    expect(scene(ofNode).stops).toEqual([])
  })

  it('families that differ are marked by their names', () => {
    const given = recorded('firewall-drops')
    const only4 = { ...given, findings: given.findings.slice(0, 1) }
    const mended = changed(only4, (one) =>
      one.family === 6 && one.verdict === 'fail' ? { ...one, verdict: 'pass', findings: [] } : one,
    )
    expect(trunk(scene(mended))).toMatch(/bridge cni0 -1450 partly 4, answers 6-> tunnel.*: partly 4, answers 6$/)
  })

  it('without a finding nothing is guessed: up to the bridge others have passed, the nodes were asked, the rest is not known', () => {
    const silent = changed({ ...recorded('healthy'), findings: [] }, (one) =>
      one.row === 'other-node' ? failing(one) : one,
    )
    expect(trunk(scene(silent))).toMatch(
      /veth veth\w+ -1450 answers-> bridge cni0 -1450 unknown-> tunnel vx0 -1500 unknown-> uplink eth0 -1500 answers-> node n2 -\? unknown-> pod \S+ broken$/,
    )
    expect(scene(silent).stops).toEqual([])
  })

  it('when nothing at all answers the pod, not even its first link is taken for sound', () => {
    const dead = changed({ ...recorded('healthy'), findings: [] }, (one) => (one.place === 'pod' ? failing(one) : one))
    expect(trunk(scene({ ...dead, results: [...dead.results] }))).toMatch(/^pod default\/\S+ -\? unknown->/)
  })

  it('a run that was ended knows what it had heard by then', () => {
    const found = scene(recorded('interrupted'))
    expect(trunk(found)).toMatch(/^pod default\/bbox-\S+ -\? unknown-> pod on another node: unknown$/)
    expect(branches(found)).toEqual({ api: 'answers 4' })
  })
})

describe('what the checks leave is what the picture reads', () => {
  const vxlan = { id: 1, port: 8472, local: '198.51.100.1', device: null, learning: false }
  const uplink = link('eth0', { index: 9, mtu: 1500, kind: null, peerIndex: null })
  const tunnel = link('vx0', { index: 8, kind: 'vxlan', peerIndex: null, vxlan, operstate: 'UNKNOWN' })
  const state = node([bridge(), peer({ mtu: 1400 }), uplink, tunnel], {
    addresses: [address('198.51.100.1', { device: 'eth0' })],
    routes: [route('198.18.2.0/24', { device: 'vx0', gateway: '198.18.2.0' })],
  })

  it('interfaces, their MTU, and where the ends of the pair differ', () => {
    const verdict = judgePodLink({ pod: pod(), node: state, declared: DECLARED, netnsPath: '/run/netns/x' })
    const own = verdict.is === 'not-applicable' ? [] : verdict.evidence
    const given = report([
      result('checks/pod/link.test.ts', 'x', { verdict: 'pass', evidence: [...own, ...wayToPod(state, '198.18.2.5')] }),
      result('checks/pod/destination-ping.test.ts', 'y', {
        ...{ verdict: 'pass', family: 4, row: 'other-node' },
        targets: [{ role: 'the destination pod', name: 'web', address: '198.18.2.5', family: 4, node: 'n2' }],
      }),
    ])
    expect(trunk(scene(given))).toBe(
      'pod eth0 -1450/1400 answers-> veth veth6 -1450 answers-> bridge cni0 -1450 answers-> tunnel vx0 -1500 answers-> uplink eth0 -1500 answers-> node n2 -? answers-> pod web: answers',
    )
  })

  it('nothing asked, nothing drawn', () => {
    expect(sceneOf(report([]))).toBeNull()
    expect(sceneOf(report([result('checks/host/kubelet.test.ts', 'x', { verdict: 'pass' })]))).toBeNull()
  })
})
