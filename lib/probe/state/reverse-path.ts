/** Whether strict reverse path filtering drops what pods send, or what is sent to them. Pure but for what callers read. */
import type { Counters } from '../../node/counters.ts'
import { covers, parsePrefix } from '../../packet/prefix.ts'
import type { NamespaceState } from '../../state.ts'
import { sysctlName, waysOf } from './pods-here.ts'
import type { StateVerdict } from './verdict.ts'
import { table } from './verdict.ts'

const STRICT = 1

/** The filter of a device: the larger of its own and of `all` (IN_DEV_RPFILTER, include/linux/inetdevice.h). 1: strict. */
export const filterOf = ({ sysctls }: NamespaceState, device: string): number =>
  Math.max(...['all', device].map((name) => Number(sysctls[`ipv4/conf/${name}/rp_filter`] ?? 0)))

/** A pod of this node, and the device that its packets come in by. */
export interface Arrival {
  readonly address: string
  readonly device: string
}

/** Pods of known IPv4 addresses that come in by a device with a strict filter: by a bridge's subnet, or by who was met where. */
export function strictArrivals(state: NamespaceState, addresses: readonly string[]): Arrival[] {
  return addresses.flatMap((address) => {
    const prefix = parsePrefix(address)
    if (prefix?.family !== 4) return []
    const kinds = new Map(state.links.map(({ name, kind, master }) => [name, master === null ? kind : 'port']))
    const met = state.neighbours.find(
      (one) => one.address === address && one.mac !== null && ['bridge', 'veth'].includes(kinds.get(one.device) ?? ''),
    )
    const subnet = waysOf(state, 4).find(
      (way) =>
        way.gateway === null &&
        way.prefix.length < 32 &&
        kinds.get(way.device ?? '') === 'bridge' &&
        covers(way.prefix, prefix),
    )
    const device = subnet?.device ?? met?.device
    return device && filterOf(state, device) === STRICT ? [{ address, device }] : []
  })
}

/** Devices by which packets of other nodes may come in, with a strict filter. */
export const strictEntrances = (state: NamespaceState): string[] =>
  state.links
    .filter(
      ({ name, flags, master }) => master === null && !flags.includes('LOOPBACK') && filterOf(state, name) === STRICT,
    )
    .map(({ name }) => name)

/** What the kernel itself said about packets of a pod as they arrive: refused, while its way to the pod is another device. */
export interface Refused extends Arrival {
  readonly wayBack: string
}

export function refusedArrivals(state: NamespaceState, refused: readonly Refused[]): StateVerdict & { is: 'broken' } {
  const [first] = refused as [Refused]
  const loose = sysctlName(`ipv4/conf/${first.device}/rp_filter`)
  return {
    is: 'broken',
    code: 'RP_FILTER',
    detail: refused
      .map(
        ({ address, device, wayBack }) =>
          `packets of pod ${address} come in by ${device}, the way back leads to ${wayBack}, and ${device} filters strictly: the kernel drops them`,
      )
      .join('; '),
    hint: `${mendRoute(state, first)}, or, if two ways are meant, filter loosely: \`sysctl -w ${loose}=2\`.`,
    evidence: table(
      'pods that the reverse path filter keeps out',
      ['pod', 'comes in by', 'way back', 'rp_filter'],
      refused.map(({ address, device, wayBack }) => [address, device, wayBack, filterOf(state, device)]),
    ),
  }
}

/** A route to the pod alone overrules the one to its bridge. */
function mendRoute(state: NamespaceState, { address, wayBack }: Refused): string {
  const astray = state.routes.find(
    ({ family, table: of, destination, device }) =>
      family === 4 && of === 'main' && device === wayBack && [address, `${address}/32`].includes(destination),
  )
  if (!astray) return `Mend the route (\`ip route get ${address}\`)`
  const via = astray.gateway === null ? '' : ` via ${astray.gateway}`
  return `Delete the route that leads elsewhere: \`ip route del ${astray.destination}${via} dev ${wayBack}\``
}

export const COUNTER = 'TcpExt.IPReversePathFilter'

/** Echoes of the windows (7, 0, 11) whose answers were filtered: each window moved the counter at least by as many, the empty one did not. */
export function answersFiltered([busy, empty, busier]: Windows): boolean {
  return of(empty) === 0 && of(busy) >= 7 && of(busier) >= 11
}

/** Nothing moved at all: no answer was filtered. */
export const isStill = (windows: Windows): boolean => windows.every((counters) => of(counters) === 0)

type Windows = readonly [busy: Counters, empty: Counters, busier: Counters]

const of = (counters: Counters): number => counters[COUNTER] ?? 0

export function filteredAnswers(
  state: NamespaceState,
  pod: string,
  node: string,
  strict: readonly string[],
): StateVerdict & { is: 'broken' } {
  return {
    is: 'broken',
    code: 'RP_FILTER',
    detail: `answers of pod ${pod} on ${node} arrive by another interface than this node’s way to it, and the kernel drops them: ${COUNTER} followed 7, 0 and 11 echoes`,
    hint: `Compare \`ip route get ${pod}\` here with the way back on ${node}: both must use the same interface; or, if two ways are meant, filter loosely: \`sysctl -w ${strict.map((device) => `${sysctlName(`ipv4/conf/${device}/rp_filter`)}=2`).join(' ')}\`.`,
    evidence: table(
      'rp_filter',
      ['interface', 'value'],
      strict.map((device) => [device, filterOf(state, device)]),
    ),
  }
}
