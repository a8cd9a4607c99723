/** A pod's interface and its other end on the node, by what both are set to. Pure. */
import { canonical } from '../../packet/prefix.ts'
import type { LinkState, NamespaceState } from '../../state.ts'
import type { Evidence } from '../../types.ts'
import { downHint, isUp, podDevice, vethPeer } from './pod-device.ts'
import { fine, type StateVerdict, table } from './verdict.ts'

export interface PodLinkFacts {
  readonly pod: NamespaceState
  readonly node: NamespaceState
  /** Addresses that the API says the pod has. */
  readonly declared: readonly string[]
  /** For commands to copy. */
  readonly netnsPath: string
}

/**
 * Codes: LINK_DOWN (an end, or the bridge, is down), VETH_DETACHED (no interface at all; or the node's end is not a port of the
 * bridge that holds the pod's gateway), PORT_BLOCKED (the bridge forwards nothing at that port, or keeps it apart from others).
 * The MTUs of both ends are evidence only: the path MTU checks measure what follows from them. What is no veth pair with its other
 * end on the node (macvlan, SR-IOV, netkit, a port of Open vSwitch) is judged as far as it can be seen.
 */
export function judgePodLink(facts: PodLinkFacts): StateVerdict {
  const own = podDevice(facts.pod, facts.declared)
  if (own === null) return noInterface()
  const peer = vethPeer(own, facts.node)
  const bridge = facts.node.links.find(({ name, kind }) => name === peer?.master && kind === 'bridge') ?? null
  const evidence = linksTable(own, peer, bridge)
  const broken = (code: string, detail: string, hint: string): StateVerdict => ({
    ...{ is: 'broken', code, detail, hint, evidence },
  })
  if (!isUp(own))
    return broken('LINK_DOWN', `the pod’s interface ${own.name} is down`, downHint(own.name, facts.netnsPath))
  if (peer === null) return withoutPeer(own, evidence)
  if (!isUp(peer)) {
    const detail = `${peer.name}, the other end of the pod’s ${own.name} on the node, is down`
    return broken('LINK_DOWN', detail, `On the node: \`ip link set ${peer.name} up\`.`)
  }
  const wanted = gatewayBridge(facts, own)
  if (wanted !== null && peer.master !== wanted.name) {
    const where = peer.master === null ? 'is a port of no bridge' : `is a port of ${peer.master}`
    const detail = `${peer.name}, the other end of the pod’s ${own.name} on the node, ${where}; the pod’s gateway is on bridge ${wanted.name}`
    return broken('VETH_DETACHED', detail, `On the node: \`ip link set ${peer.name} master ${wanted.name}\`.`)
  }
  if (bridge === null) return fine(`${own.name} is up, and so is ${peer.name}, its other end on the node`, evidence)
  if (!isUp(bridge)) {
    const detail = `bridge ${bridge.name}, on which the pod’s ${own.name} ends, is down`
    return broken('LINK_DOWN', detail, `On the node: \`ip link set ${bridge.name} up\`.`)
  }
  return (
    blocked(peer, bridge, facts.node, evidence) ??
    fine(`${own.name} is up and ends at ${peer.name} on bridge ${bridge.name}`, evidence)
  )
}

function noInterface(): StateVerdict {
  return {
    is: 'broken',
    code: 'VETH_DETACHED',
    detail: 'the pod has no network interface besides loopback',
    hint: 'Delete the pod, so that the CNI plug-in sets it up again; if it comes back like this, read the CNI log on the node.',
    evidence: [],
  }
}

function withoutPeer(own: LinkState, evidence: readonly Evidence[]): StateVerdict {
  if (own.flags.includes('NO-CARRIER') || own.operstate === 'LOWERLAYERDOWN') {
    const detail = `the pod’s interface ${own.name} is up but has no carrier: what it hangs on is down`
    const hint = 'See what it hangs on: `ip -d link` in the pod names it, then `ip link` on the node.'
    return { is: 'broken', code: 'LINK_DOWN', detail, hint, evidence }
  }
  const why =
    own.kind === 'veth'
      ? 'its other end is not on the node'
      : `it is ${own.kind ?? 'a device of its own'}, no veth pair`
  return fine(`${own.name} is up; ${why}, so nothing more can be said`, evidence)
}

/** The bridge of the node that holds an address which the pod uses as a gateway on this interface. */
function gatewayBridge({ pod, node }: PodLinkFacts, own: LinkState): LinkState | null {
  const gateways = new Set(
    pod.routes.flatMap(({ gateway, device }) => (gateway !== null && device === own.name ? [canonical(gateway)] : [])),
  )
  // link-local gateways (fe80::1, 169.254.1.1) may be on any of the node's interfaces
  const holders = node.addresses.filter(({ address, scope }) => scope === 'global' && gateways.has(canonical(address)))
  const names = new Set(holders.map(({ device }) => device))
  return node.links.find(({ name, kind }) => kind === 'bridge' && names.has(name)) ?? null
}

function blocked(
  peer: LinkState,
  bridge: LinkState,
  node: NamespaceState,
  evidence: readonly Evidence[],
): StateVerdict | null {
  const { port } = peer
  if (port === null) return null
  const as = (detail: string, hint: string): StateVerdict => ({
    is: 'broken',
    code: 'PORT_BLOCKED',
    detail,
    hint,
    evidence,
  })
  if (['disabled', 'blocking', 'listening'].includes(port.state)) {
    const detail = `bridge ${bridge.name} forwards nothing at ${peer.name}, the pod’s port: its state is ${port.state}`
    return as(
      detail,
      `On the node: \`bridge link set dev ${peer.name} state 3\`; with spanning tree on, find the loop first: \`bridge -d link\`.`,
    )
  }
  const apart = node.links.filter(
    (link) => link.master === bridge.name && link.name !== peer.name && link.port?.isolated,
  )
  if (!port.isolated || apart.length === 0) return null
  const detail = `bridge ${bridge.name} keeps ${peer.name}, the pod’s port, apart from ${apart.length} other isolated ports: pods there cannot be reached`
  return as(
    detail,
    `On the node: \`bridge link set dev ${peer.name} isolated off\`; or turn portIsolation off in the CNI configuration.`,
  )
}

function linksTable(own: LinkState, peer: LinkState | null, bridge: LinkState | null): Evidence[] {
  const rows = [own, peer, bridge].flatMap((link, at) =>
    link === null
      ? []
      : [
          [
            ['pod', 'node', 'node'][at] ?? '',
            link.name,
            link.kind ?? '',
            link.operstate,
            link.mtu,
            link.master ?? '',
            link.port?.state ?? '',
          ],
        ],
  )
  return table('interfaces', ['where', 'name', 'kind', 'state', 'MTU', 'port of', 'port state'], rows)
}
