/** What it means that somebody else answers for a pod's address. Pure. */
import { canonical } from '../../packet/prefix.ts'
import type { NamespaceState } from '../../state.ts'
import { podDevice, vethPeer } from './pod-device.ts'
import { fine, listed, type StateVerdict, table } from './verdict.ts'

export type DuplicateFacts =
  | { readonly address: string; readonly claims: readonly [] }
  | {
      readonly address: string
      /** MACs that claimed it, beside the pod's interface. */
      readonly claims: readonly string[]
      readonly pod: NamespaceState
      readonly node: NamespaceState
      /** MACs that claimed an address which nobody has. */
      readonly answersForAll: readonly string[]
    }

/**
 * Code: DUPLICATE_ADDRESS. Nobody is a duplicate who answers for everything (proxy ARP of a switch or of the node, which does not
 * hold the address itself), nor another interface of the pod.
 */
export function judgeDuplicate(facts: DuplicateFacts): StateVerdict {
  const { address } = facts
  if (!('pod' in facts)) return fine(`nobody else answers for ${address}`)
  const { pod, node, answersForAll } = facts
  const has = (state: NamespaceState, mac: string) => state.links.some((link) => link.mac?.toLowerCase() === mac)
  const holders = node.addresses.filter((one) => canonical(one.address) === canonical(address))
  const own = podDevice(pod, [address])
  const gateways = new Set(pod.routes.flatMap(({ gateway }) => (gateway === null ? [] : [canonical(gateway)])))
  const proxies = new Set([
    ...answersForAll,
    ...(own ? [vethPeer(own, node)?.mac?.toLowerCase() ?? ''] : []),
    ...pod.neighbours.flatMap((one) =>
      one.mac && gateways.has(canonical(one.address)) ? [one.mac.toLowerCase()] : [],
    ),
  ])
  const isProxy = (mac: string) => holders.length === 0 && (proxies.has(mac) || has(node, mac))
  const others = facts.claims.filter((mac) => !has(pod, mac) && !isProxy(mac))
  if (others.length === 0) return fine(`only a proxy answers for ${address} beside the pod`)
  const places = others.map((mac) => whereIs(mac, address, node))
  const detail = `${listed(others.map((mac, at) => `${mac}${places[at] ? ` (${places[at]})` : ''}`))} answers for ${address}, the pod’s address`
  return {
    is: 'broken',
    code: 'DUPLICATE_ADDRESS',
    detail,
    hint: `On the node: \`bridge fdb | grep ${others[0]}\`, \`ip neigh | grep ${others[0]}\` tell who that is. Take the address from it, or delete the pod that was given it second; then \`ip neigh flush ${address}\` on the node.`,
    evidence: table(
      'who else answers',
      ['MAC', 'where'],
      others.map((mac, at) => [mac, places[at] ?? '']),
    ),
  }
}

/** Where the node sees a MAC: its own interface, a bridge's port, and other addresses that it had. */
function whereIs(mac: string, address: string, node: NamespaceState): string {
  const own = node.links.find((link) => link.mac?.toLowerCase() === mac)
  if (own) return `the node itself, ${own.name}`
  const port = node.fdb.find((entry) => entry.mac.toLowerCase() === mac && !entry.permanent)?.device
  const addresses = node.neighbours
    .filter((one) => one.mac?.toLowerCase() === mac && canonical(one.address) !== canonical(address))
    .map((one) => one.address)
  return [
    port && `behind ${port} of the node`,
    addresses.length > 0 && `which also has ${listed([...new Set(addresses)])}`,
  ]
    .filter(Boolean)
    .join(', ')
}
