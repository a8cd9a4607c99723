/** Other nodes, and a pod on each, in a run over all nodes: how this node, and this pod, reach them. */
import { addressOf, familyName, needed } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import { echo, judgeEcho } from '../probe/icmp.ts'
import { judgeEach } from '../probe/judge.ts'
import { connect, type TcpResult } from '../probe/tcp.ts'
import type { Peer, Plan, Target } from '../types.ts'
import { tcpAnswer } from './answers.ts'
import { judgePing, type PingAnswer, signOfLife, sourceHas, type TcpAnswer } from './pod.ts'
import { type Asking, families, question } from './question.ts'
import { connectBeyond } from './sidecar.ts'

/** Where kubelets listen unless told otherwise (KubeletConfiguration, `port`). */
const KUBELET_PORT = 10_250

/** Ping of the peers' own addresses; the kubelet's port tells whether a silent one lives. */
export const peerNodePings = question('node', families, async (plan, row): Promise<PingAnswer> => {
  const targets = peerNodes(plan, row)
  const results = await echo(targets, { probes: plan.probes })
  const silent = silentOf(results)
  const ports = silent.map(
    (target): Target => ({ ...target, protocol: 'tcp', port: plan.node.kubeletPort ?? KUBELET_PORT }),
  )
  const signs = byAddress(await connect(ports))
  return judgePing('peer nodes', results, ({ address }) => signOfLife(signs.get(address) ?? []))
})

/** Ping of the pods that stand for the peers' pods; their port tells whether a silent one lives. */
export const peerPodPings = question('pod', families, async (plan, row): Promise<PingAnswer> => {
  const targets = peerPods(plan, row).map(({ target }) => target)
  const results = await echo(targets, { probes: plan.probes })
  const signs = silentOf(results).length === 0 ? new Map() : byAddress(await connections(plan, 'pod', row))
  return judgePing('peer pods', results, ({ address }) => signOfLife(signs.get(address) ?? []))
})

/** TCP to the port that each of these pods serves. */
export const peerPodPorts = question('pod', families, async (plan, row): Promise<TcpAnswer> => {
  const results = await connections(plan, 'pod', row)
  return { targets: results.map(({ target }) => target), reached: judgeEach('peer pods', results.map(tcpAnswer)) }
})

const connections = question('pod', families, (plan, row, place): Promise<readonly TcpResult[]> => {
  const ports = peerPods(plan, row).map(({ target, port }): Target => ({ ...target, protocol: 'tcp', port }))
  return connectBeyond(plan, place, ports)
})

const silentOf = (results: Awaited<ReturnType<typeof echo>>): readonly Target[] =>
  results.filter((result) => judgeEcho(result).avg === null).map(({ target }) => target)

const byAddress = (results: readonly TcpResult[]): ReadonlyMap<string, readonly TcpResult[]> =>
  new Map(results.map((result) => [result.target.address, [result]]))

/** Other nodes than this one; not applicable: the run is about one node. */
function others({ peers, node }: Plan): readonly Peer[] {
  if (peers.length === 0) throw new NotApplicable('needs PEERS, not set: this run is about one node')
  const found = peers.filter((peer) => peer.node !== node.name)
  return needed(found, 'another node among PEERS', `there is only ${node.name}`)
}

/** The peers' own addresses of a family, as something to ping. */
export function peerNodes(plan: Plan, { family }: Asking): readonly Target[] {
  const own = plan.node.internalIPs
  const peers = others(plan)
  if (own.length > 0)
    needed(addressOf(own, family), `an ${familyName(family)} address of this node`, `it has ${own.join(', ')}`)
  const targets = peers.flatMap((peer): Target[] => {
    const address = addressOf(peer.addresses, family)
    return address === undefined ? [] : [{ role: 'a peer node', name: peer.node, address, family, ...about(peer) }]
  })
  return needed(targets, `an ${familyName(family)} address of another node`, 'none of PEERS has one')
}

/** The pods that stand for the peers' pods, of a family, as something to ping, with the TCP port that each serves. */
export function peerPods(plan: Plan, row: Asking): readonly { readonly target: Target; readonly port: number }[] {
  const { family } = row
  const peers = others(plan)
  sourceHas(plan, row)
  const targets = peers.flatMap((peer) => {
    const { pod } = peer
    const address = pod && addressOf(pod.addresses, family)
    if (!pod || !address) return []
    const name = `${pod.namespace}/${pod.name}`
    return [{ target: { role: 'a peer pod', name, address, family, ...about(peer) } satisfies Target, port: pod.port }]
  })
  return needed(targets, `a pod with an ${familyName(family)} address on another node`, 'none of PEERS has one')
}

const about = ({ node, zone }: Peer) => ({ protocol: 'icmp' as const, node, ...(zone === null ? {} : { zone }) })
