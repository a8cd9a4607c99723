/**
 * Who says that a host cannot be reached? A router does with an ICMP error, and this kernel does in the same words, and with the same
 * errno, when the next hop answers no ARP or NDP request (net/ipv4/arp.c, arp_error_report; net/ipv6/ndisc.c). Its neighbour
 * entry tells them apart; the time does not, since others may have asked for the entry before.
 */
import { readNeighbour } from '../node/neighbours.ts'
import { routeTo } from '../node/routes.ts'
import { isUnresolved } from '../state.ts'

/** How it is said that the next hop is silent. */
export const NEXT_HOP_SILENT = 'the next hop answers no ARP or NDP request'

const asking = new Map<string, Promise<boolean>>()

/** Whether this kernel itself has given up on the next hop to an address. False also where that cannot be read. */
export function isNextHopSilent(address: string): Promise<boolean> {
  // many probes of one address hear of it at once
  const answer = asking.get(address) ?? readNextHop(address).finally(() => asking.delete(address))
  asking.set(address, answer)
  return answer
}

async function readNextHop(address: string): Promise<boolean> {
  const route = await routeTo(address)
  if (!route.ok || route.value.local) return false
  const { gateway, device } = route.value
  const entry = await readNeighbour(gateway ?? address, device)
  return entry.ok && entry.value !== null && isUnresolved(entry.value)
}
