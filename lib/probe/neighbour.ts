/**
 * Does the gateway exist on the link? Its neighbour entry decides (ARP, NDP); ping is evidence elsewhere, since many
 * gateways never answer it. A datagram to the gateway makes the kernel resolve it, and a request of our own makes it
 * confirm an old entry at once: by itself Linux believes a STALE entry of a dead gateway for about 9 s
 * (delay_first_probe_time, then ucast_solicit and mcast_solicit probes: networking/ip-sysctl, net/core/neighbour.c).
 */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Link, type LocalAddress, localAddresses, needsNoNeighbour, readLink } from '../node/links.ts'
import { type Neighbour, readNeighbour } from '../node/neighbours.ts'
import type { Route } from '../node/routes.ts'
import { withoutZone } from '../packet/address.ts'
import { arpRequest, neighbourSolicitation } from '../packet/neighbour.ts'
import { sendFrame } from '../socket/packet.ts'
import { isUnresolved } from '../state.ts'
import type { Evidence, Outcome } from '../types.ts'

export interface ResolvedGateway {
  readonly gateway: string | null
  readonly device: string
  /**
   * answered      it answered ARP or NDP during the probe, or within the second before
   * static        the entry is kept by the CNI or an administrator (PERMANENT, NOARP, externally learned)
   * no-neighbours the device has none to resolve: tunnel, point-to-point, ARP off
   * no-gateway    the route names a device only
   */
  readonly how: 'answered' | 'static' | 'no-neighbours' | 'no-gateway'
  readonly mac: string | null
  /** Milliseconds until it was known. */
  readonly ms: number
}

export interface NeighbourOptions {
  /** Milliseconds; default 4000: the kernel asks three times, a second apart, before it gives up. */
  readonly budgetMs?: number
}

const BUDGET_MS = 4000
const DISCARD_PORT = 9
const POLL_MS = [15, 30, 60, 120, 250] as const
const REQUEST_EVERY_MS = 800
const REQUESTS_THAT_PROVE = 3
/** The kernel prints whole seconds, rounded down. */
const FRESH_SECONDS = 1

/**
 * Resolves the gateway of one route.
 * GATEWAY_UNRESOLVED (a fault): nobody answered for its address. GATEWAY_UNPROVEN (inconclusive): an entry is there, but
 * nothing confirmed it within the budget. LINK_MISSING, TOOL_MISSING, TOOL_FAILED: we could not look.
 */
export async function resolveGateway(
  route: Pick<Route, 'gateway' | 'device'>,
  options: NeighbourOptions = {},
): Promise<Outcome<ResolvedGateway>> {
  const started = performance.now()
  const elapsed = () => Math.round(performance.now() - started)
  const { gateway } = route
  const device = route.device ?? ''
  const [link, before] = await Promise.all([
    readLink(device),
    gateway === null ? null : readNeighbour(withoutZone(gateway), device),
  ])
  if (!link.ok) return link
  const found = (how: ResolvedGateway['how'], mac: string | null): Outcome<ResolvedGateway> => ({
    ok: true,
    value: { gateway, device, how, mac, ms: elapsed() },
    evidence: [{ kind: 'scalar', name: 'gateway resolution', value: how }],
  })
  if (gateway === null || before === null) return found('no-gateway', null)
  if (!before.ok) return before
  if (needsNoNeighbour(link.value)) return found('no-neighbours', null)
  const known = verdictOf(before.value)
  if (known) return found(known, before.value?.mac ?? null)
  const request = await ownRequest(gateway, link.value)
  const watched = await watchEntry(gateway, device, request, before.value?.mac ?? null, options.budgetMs ?? BUDGET_MS)
  if (!watched.ok) return watched
  const { entry, how } = watched.value
  if (how) return found(how, entry?.mac ?? null)
  return unresolved(gateway, device, watched.value, elapsed())
}

interface Watched {
  readonly entry: Neighbour | null
  readonly how: 'answered' | 'static' | null
  readonly requests: number
  /** Why no request of our own could be sent. */
  readonly hindrance: string | null
}

/** Provokes and reads until the entry says something final or the budget is used up. */
async function watchEntry(
  gateway: string,
  device: string,
  request: (() => string | null) | string,
  macBefore: string | null,
  budgetMs: number,
): Promise<Outcome<Watched>> {
  const started = performance.now()
  let hindrance = typeof request === 'string' ? request : null
  let requests = 0
  let nextRequestAt = 0
  let sawAttempt = false
  await provoke(gateway, device)
  for (let turn = 0; ; turn++) {
    const now = performance.now() - started
    const read = await readNeighbour(withoutZone(gateway), device)
    if (!read.ok) return read
    const entry = read.value
    // A new MAC was told just now, if not in reply to us: the entry is STALE then, and the gateway alive.
    const told = (entry?.mac ?? macBefore) !== macBefore
    const how = verdictOf(entry) ?? (told ? 'answered' : null)
    sawAttempt ||= entry?.state === 'INCOMPLETE'
    const gaveUp = sawAttempt && entry?.state === 'FAILED'
    const ignored = requests >= REQUESTS_THAT_PROVE && now >= nextRequestAt && isOld(entry)
    if (how || gaveUp || ignored || now >= budgetMs) {
      return { ok: true, value: { entry, how, requests, hindrance }, evidence: [] }
    }
    if (now >= nextRequestAt) {
      await provoke(gateway, device)
      if (typeof request === 'function' && hindrance === null) hindrance = request()
      if (hindrance === null) requests++
      nextRequestAt = now + REQUEST_EVERY_MS
    }
    await sleep(POLL_MS[Math.min(turn, POLL_MS.length - 1)])
  }
}

/** What an entry proves by itself, or null when more has to be seen. */
export function verdictOf(entry: Neighbour | null): 'answered' | 'static' | null {
  if (entry === null || entry.mac === null) return null
  if (entry.state === 'PERMANENT' || entry.state === 'NOARP' || entry.external) return 'static'
  // REACHABLE is kept for up to 45 s: only a fresh confirmation is an answer. Kernels that do not say are believed.
  const fresh = entry.confirmedSecondsAgo === null || entry.confirmedSecondsAgo <= FRESH_SECONDS
  return entry.state === 'REACHABLE' && fresh ? 'answered' : null
}

function isOld(entry: Neighbour | null): boolean {
  return entry?.state === 'STALE' || entry?.state === 'DELAY' || entry?.state === 'PROBE'
}

function unresolved(gateway: string, device: string, watched: Watched, ms: number): Outcome<never> {
  const { entry, requests, hindrance } = watched
  const state = entry?.state ?? 'NONE'
  const protocol = isIPv6(gateway) ? 'neighbour solicitations' : 'ARP requests'
  const evidence: Evidence[] = [
    { kind: 'scalar', name: 'neighbour state', value: state },
    { kind: 'scalar', name: 'requests of our own', value: requests },
    { kind: 'scalar', name: 'waited', value: ms, unit: 'ms' },
  ]
  const who = `${gateway} on ${device}`
  if (isUnresolved({ state })) {
    const detail = `The gateway ${who} does not answer ${protocol}: its neighbour entry is ${state} after ${ms} ms.`
    return { ok: false, code: 'GATEWAY_UNRESOLVED', detail, evidence }
  }
  if (isOld(entry) && requests >= REQUESTS_THAT_PROVE) {
    const detail = `The gateway ${who} answered none of ${requests} ${protocol}; the kernel still holds its old address ${entry?.mac} (${state}).`
    return { ok: false, code: 'GATEWAY_UNRESOLVED', detail, evidence }
  }
  const why = hindrance ? ` No request of our own could be sent: ${hindrance}.` : ''
  const detail = `The neighbour entry of the gateway ${who} is ${state}, and nothing confirmed it within ${ms} ms.${why}`
  return { ok: false, code: 'GATEWAY_UNPROVEN', detail, evidence }
}

/** A function that asks for the gateway from a packet socket, or the reason why there can be none. */
async function ownRequest(gateway: string, link: Link): Promise<(() => string | null) | string> {
  if (link.linkType !== 'ether' || link.mac === null) return `${link.name} is no Ethernet device`
  const addresses = await localAddresses()
  if (!addresses.ok) return addresses.detail
  const source = sourceFor(gateway, link.name, addresses.value)
  if (source === null) return `there is no local address to ask from`
  const build = isIPv6(gateway) ? neighbourSolicitation : arpRequest
  const question = build(source, link.mac, gateway)
  return () => sendFrame({ interfaceIndex: link.index, ...question })
}

/** The address to ask from: on the device itself, of the gateway's scope first; else any of its family. */
export function sourceFor(gateway: string, device: string, addresses: readonly LocalAddress[]): string | null {
  const family = isIPv6(gateway) ? 6 : 4
  const scope = /^fe80:/i.test(gateway) ? 'link' : 'global'
  const usable = addresses.filter((one) => one.family === family && !one.tentative && !one.dadFailed)
  const here = usable.filter((one) => one.device === device)
  const chosen = here.find((one) => one.scope === scope) ?? here[0] ?? usable.find((one) => one.scope === 'global')
  return chosen?.address ?? null
}

/** Sends one datagram to the gateway's discard port, which starts neighbour resolution. Its fate does not matter. */
function provoke(gateway: string, device: string): Promise<void> {
  const zone = /^fe80:/i.test(gateway) && !gateway.includes('%') ? `%${device}` : ''
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(gateway) ? 'udp6' : 'udp4')
    const end = () => {
      socket.removeAllListeners().on('error', () => {})
      socket.close()
      resolve()
    }
    socket.once('error', end)
    socket.send('', DISCARD_PORT, gateway + zone, end)
  })
}
