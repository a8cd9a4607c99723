/** The interface through which the cluster reaches a pod, and the other end of it on the node. Pure. */
import { canonical } from '../../packet/prefix.ts'
import type { LinkState, NamespaceState } from '../../state.ts'

/**
 * Of a pod's interfaces the one that holds an address which the API knows; where that is gone, what CRI calls it (eth0), what the
 * default route names, or the only one. null: there is none besides loopback. Multus' further interfaces hold none of these.
 */
export function podDevice(pod: NamespaceState, declared: readonly string[]): LinkState | null {
  const known = new Set(declared.map(canonical))
  const holder = pod.addresses.find(({ address, device }) => device !== 'lo' && known.has(canonical(address)))?.device
  const leads = pod.routes.find(({ destination, device }) => destination === 'default' && device !== null)?.device
  const links = pod.links.filter(({ flags }) => !flags.includes('LOOPBACK'))
  const named = (name: string | null | undefined) => links.find((link) => link.name === name)
  const only = links.length === 1 ? links[0] : undefined
  return named(holder) ?? named('eth0') ?? named(leads) ?? only ?? null
}

/**
 * The other end of a veth pair among the node's interfaces; null where it is somewhere else, or where there is no pair. Indices
 * alone are not unique over namespaces: each end must name the other.
 */
export function vethPeer(own: LinkState, node: NamespaceState): LinkState | null {
  if (own.kind !== 'veth' || own.peerIndex === null) return null
  const peer = node.links.find(({ index }) => index === own.peerIndex)
  return peer?.kind === 'veth' && peer.peerIndex === own.index ? peer : null
}

export const isUp = ({ flags }: LinkState): boolean => flags.includes('UP')

/** Said wherever what is missing went with the interface: the kernel takes routes and IPv6 addresses off one that is down. */
export const downHint = (device: string, netnsPath: string): string =>
  `In the pod: \`nsenter --net=${netnsPath} ip link set ${device} up\`; routes that went with it come back only when the CNI plug-in sets the pod up again: delete the pod.`
