/** Names for what a finding speaks of: pure. */
import type { Place, Report, Target } from '../types.ts'

/** Who is who in a report. */
export interface Names {
  readonly node: string
  /** namespace/name of the source pod; null: none. */
  readonly pod: string | null
  /** Of each address that was asked. */
  readonly who: ReadonlyMap<string, Target>
}

/** `targets`: everybody who was asked; of several names of an address the most telling one wins. */
export function namesOf(report: Pick<Report, 'node' | 'source'>, targets: readonly Target[]): Names {
  const who = new Map<string, Target>()
  for (const target of targets) {
    const known = who.get(target.address)
    if (!known || telling(target) > telling(known)) who.set(target.address, target)
  }
  return { node: report.node, pod: report.source && `${report.source.namespace}/${report.source.name}`, who }
}

/** namespace/name says more than a name, a name more than an address; where it runs says more than that it exists. */
const telling = ({ name, address, node }: Target): number =>
  (name.includes('/') ? 4 : name === address ? 0 : 2) + (node ? 1 : 0)

/** "pod default/web (198.18.2.4)", "203.0.113.9". */
export function called(address: string, { who }: Names): string {
  const target = who.get(address)
  return target && target.name !== address ? `${target.name} (${address})` : address
}

/** The node that an address is on, where that is known. */
export const nodeOf = (address: string, { who }: Names): string | null => who.get(address)?.node ?? null

export const askingSide = (place: Place, { node, pod }: Names): string =>
  place === 'pod' && pod !== null ? `pod ${pod}` : `node ${node}`

/** "TCP port 8080", "ICMP echo", "UDP port 53". */
export const wire = ({ protocol, port }: Target): string =>
  protocol === 'tcp' || protocol === 'udp' ? `${protocol.toUpperCase()} port ${port}` : 'ping'

/** Whether a target of this role has an address that is nobody's: a Service's. */
export const isVirtual = (role: string): boolean =>
  /service|nameserver|ClusterIP/i.test(role) && !/endpoint|replica/i.test(role)

/** "-n default web" of "default/web". */
export const podFlags = (name: string | undefined): string =>
  name?.includes('/') ? `-n ${name.replace('/', ' ')}` : (name ?? '')
