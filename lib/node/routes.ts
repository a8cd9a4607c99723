/** Routes of this network namespace, read with `ip -j route`. Nothing here sends a packet. */
import { isIPv6 } from 'node:net'
import type { RouteSaid } from '../state.ts'
import type { Family, Outcome } from '../types.ts'
import { type Json, number, object, objects, readIp, readIpTogether, text, texts } from './ip.ts'
import { type Link, linkNamed, parseLink, readLinks } from './links.ts'

/** One next hop of one route. */
export interface Route {
  readonly family: Family
  /** "default" or a prefix. */
  readonly destination: string
  /** null: the destination is asked for on the link itself (`scope link`). Can be IPv6 for an IPv4 route (RFC 5549). */
  readonly gateway: string | null
  readonly device: string | null
  readonly metric: number
  /** Configured with the route, bytes; null: the link's. */
  readonly mtu: number | null
  readonly source: string | null
  /** The gateway need not be covered by a connected prefix. */
  readonly onlink: boolean
  /** unicast, local, or one of unreachable, prohibit, blackhole, throw: those lead nowhere. */
  readonly type: string
}

/** What the kernel would do with a packet to `address` now. */
export interface PathChoice {
  readonly address: string
  readonly gateway: string | null
  readonly device: string
  readonly source: string | null
  /** Path MTU learned from an ICMP error (RFC 1191, RFC 8201), bytes; null: none in the cache. */
  readonly learnedMtu: number | null
  /** Local address of this namespace. */
  readonly local: boolean
}

/** The MTU that this namespace is configured to use to one address; `mtu` is the smaller of the two, bytes. */
export interface PromisedMtu {
  readonly mtu: number
  readonly device: string
  readonly linkMtu: number
  readonly routeMtu: number | null
  readonly learnedMtu: number | null
}

/**
 * Default routes of a family that lead somewhere, best metric first, one entry per next hop. An empty list is an answer:
 * there is none. The main table comes first; namespaces with policy routing only (AWS VPC CNI's multi-address pods)
 * have theirs in others.
 */
export async function defaultRoutes(family: Family): Promise<Outcome<readonly Route[]>> {
  for (const table of ['main', 'all']) {
    const read = await readIp([`-${family}`, 'route', 'show', 'table', table, 'default'])
    if (!read.ok) return read
    const routes = read.value.flatMap((route) => parseRoute(route, family)).filter((route) => route.type === 'unicast')
    if (routes.length > 0) return found(routes.sort((a, b) => a.metric - b.metric))
  }
  return found([])
}

/**
 * The kernel's choice for one address. Codes: NO_ROUTE (there is none, or an unreachable, prohibit or blackhole route),
 * TOOL_MISSING, TOOL_FAILED. `source`: the local address to send from; rules may be about it.
 */
export async function routeTo(address: string, source?: string): Promise<Outcome<PathChoice>> {
  const read = await readIp(['route', 'get', address, ...(source ? ['from', source] : [])])
  if (!read.ok) return noRoute(address, read)
  const choice = read.value[0] && parseChoice(address, read.value[0])
  if (choice) return found(choice)
  return { ok: false, code: 'NO_ROUTE', detail: `The kernel knows no route to ${address}.`, evidence: [] }
}

/**
 * What the kernel does with a packet from `from` to `to` that comes in by `device`: it validates the source as for a real one
 * (fib_validate_source; EXDEV, or EINVAL in newer kernels). null: it cannot be asked.
 */
export async function routeArriving(to: string, from: string, device: string): Promise<'accepted' | 'refused' | null> {
  const read = await readIp(['route', 'get', to, 'from', from, 'iif', device])
  if (read.ok) return 'accepted'
  return /cross-device|invalid argument/i.test(read.detail) ? 'refused' : null
}

/**
 * What a sender here may count on to `address`: the smaller of the link's MTU and the route's. A path MTU learned from
 * an ICMP error is reported beside it and is not a promise: it is what a black hole test must not be fooled by.
 * Codes as routeTo.
 */
export async function promisedMtu(address: string): Promise<Outcome<PromisedMtu>> {
  const read = await readIpTogether([
    ['route', 'get', address],
    ['route', 'get', 'fibmatch', address],
    ['link', 'show'],
  ])
  const [chosen, matched, links] = read.ok ? read.value : []
  const choice = chosen?.[0] && parseChoice(address, chosen[0])
  if (!choice || !matched || !links) return promisedByParts(address)
  return promiseOf(choice, matched, links.flatMap(parseLink))
}

/** The same, one reading after the other: they tell which one met trouble. */
async function promisedByParts(address: string): Promise<Outcome<PromisedMtu>> {
  const choice = await routeTo(address)
  if (!choice.ok) return choice
  const match = await readIp(['route', 'get', 'fibmatch', address])
  if (!match.ok) return noRoute(address, match)
  const links = await readLinks()
  return links.ok ? promiseOf(choice.value, match.value, links.value) : links
}

function promiseOf(choice: PathChoice, match: readonly Json[], links: readonly Link[]): Outcome<PromisedMtu> {
  const { device, learnedMtu } = choice
  const link = linkNamed(links, device)
  if (!link.ok) return link
  const linkMtu = link.value.mtu
  const routeMtu = match[0] ? mtuOf(match[0]) : null
  return found({ mtu: Math.min(linkMtu, routeMtu ?? linkMtu), device, linkMtu, routeMtu, learnedMtu })
}

/** Reads one object of `ip -j route show`: a list, because a multipath route has several next hops. */
export function parseRoute(route: Json, family: Family): readonly Route[] {
  const common = {
    family,
    destination: text(route, 'dst') ?? 'default',
    metric: number(route, 'metric') ?? 0,
    mtu: mtuOf(route),
    source: text(route, 'prefsrc'),
    type: text(route, 'type') ?? 'unicast',
  }
  const hops = objects(route, 'nexthops')
  return (hops.length > 0 ? hops : [route]).map((hop) => ({
    ...common,
    gateway: gatewayOf(hop),
    device: text(hop, 'dev'),
    onlink: texts(hop, 'flags').includes('onlink'),
  }))
}

/** Reads one object of `ip -j route get`. */
export function parseChoice(address: string, route: Json): PathChoice | null {
  const device = text(route, 'dev')
  if (device === null) return null
  // Only an exception of the route cache expires; a configured MTU does not.
  const learned = number(route, 'expires') !== null
  return {
    address,
    gateway: gatewayOf(route),
    device,
    source: text(route, 'prefsrc'),
    learnedMtu: learned ? mtuOf(route) : null,
    local: text(route, 'type') === 'local',
  }
}

function gatewayOf(hop: Json): string | null {
  return text(hop, 'gateway') ?? text(object(hop, 'via'), 'host')
}

function mtuOf(route: Json): number | null {
  return objects(route, 'metrics').reduce<number | null>((found, metric) => found ?? number(metric, 'mtu'), null)
}

function noRoute(address: string, failed: Outcome<unknown> & { ok: false }): Outcome<never> {
  const kernelSaidNo = /network is unreachable|no route to host|permission denied|invalid argument/i
  if (failed.code !== 'TOOL_FAILED' || !kernelSaidNo.test(failed.detail)) return failed
  const default_ = isIPv6(address) ? 'ip -6 route' : 'ip route'
  return {
    ok: false,
    code: 'NO_ROUTE',
    detail: `The kernel has no route to ${address} (${failed.detail.split(': ').at(-1)}): see "${default_}".`,
    evidence: [],
  }
}

function found<T>(value: T): Outcome<T> & { ok: true } {
  return { ok: true, value, evidence: [] }
}

/**
 * The kernel's word on a packet: what it would do with one that comes in by `iif` (null: one that this namespace sends itself). It
 * judges forwarding and the reverse path filter too (net/ipv4/route.c, ip_route_input_slow). `said`: the entry that
 * matches, or the refusal.
 */
export async function routeOf(packet: {
  readonly destination: string
  readonly source: string | null
  readonly iif: string | null
}): Promise<RouteSaid> {
  const { destination, source, iif } = packet
  const words = [destination, ...(source ? ['from', source] : []), ...(iif ? ['iif', iif] : [])]
  const [chosen, matched] = await Promise.all([
    readIp(['route', 'get', ...words]),
    readIp(['route', 'get', 'fibmatch', ...words]),
  ])
  const entry = matched.ok && matched.value[0] ? entryText(matched.value[0]) : null
  if (!chosen.ok) {
    const refusal = chosen.detail.split('RTNETLINK answers: ').at(-1) ?? chosen.detail
    return { ok: false, device: null, gateway: null, said: entry ? `${refusal} (${entry})` : refusal }
  }
  const choice = chosen.value[0] && parseChoice(destination, chosen.value[0])
  if (!choice) return { ok: false, device: null, gateway: null, said: 'no route' }
  return { ok: true, device: choice.device, gateway: choice.gateway, said: entry ?? `dev ${choice.device}` }
}

/** As `ip route` prints it. */
function entryText(route: Json): string {
  const gateway = gatewayOf(route)
  const type = text(route, 'type')
  const parts = [
    type && type !== 'unicast' ? type : '',
    text(route, 'dst') ?? 'default',
    gateway ? `via ${gateway}` : '',
    text(route, 'dev') ? `dev ${text(route, 'dev')}` : '',
    text(route, 'table') ? `table ${text(route, 'table')}` : '',
  ]
  return parts.filter(Boolean).join(' ')
}
