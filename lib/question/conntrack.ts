/**
 * UDP entries of this node's connection tracking whose service endpoint is gone: whoever keeps its source port sends into nothing
 * for as long as it sends. kube-proxy deletes them when an endpoint goes; what is still there at a second look, and what no
 * endpoint answers for, is stale.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { NotApplicable } from '../failure.ts'
import type { ExpectedService } from '../node/services/compare.ts'
import { readConntrack, type UdpEntry } from '../node/services/conntrack.ts'
import { canonicalAddress } from '../packet/address.ts'
import type { Evidence, Outcome, Plan } from '../types.ts'
import { isAlive } from './alive.ts'
import { addressesOf, expectedServices } from './service-rules.ts'

export interface ConntrackAnswer {
  /** Stale entries that a client uses right now. */
  readonly used: Outcome<void>
  /** Stale entries that nobody used meanwhile: they are forgotten by themselves in two minutes. */
  readonly idle: Outcome<void>
}

/** Long enough that the remaining time, in whole seconds, tells. */
const BETWEEN_MS = 3000

/** Asked by one check only, from the node. */
export async function staleConntrack(plan: Plan): Promise<ConntrackAnswer> {
  const services = expectedServices(plan).filter(({ ports }) => ports.some(({ protocol }) => protocol === 'udp'))
  if (services.length === 0) throw new NotApplicable('needs a service with a UDP port, none is known')
  const addresses = new Set([...addressesOf(services)].map(canonicalAddress))
  const first = await entries(addresses)
  const suspects = staleOf(first, services)
  if (suspects.length === 0) return { used: none(first, services), idle: nothing }
  const started = performance.now()
  const [alive] = await Promise.all([livingOf(suspects), sleep(BETWEEN_MS)])
  const still = staleOf(await entries(addresses), services).filter((entry) => !alive.has(backendOf(entry)))
  const before = new Map(suspects.map((entry) => [flowOf(entry), entry.secondsLeft]))
  const elapsed = (performance.now() - started) / 1000
  const known = still.filter((entry) => before.has(flowOf(entry)))
  const isUsed = (entry: UdpEntry) => wasUsed(before.get(flowOf(entry)) ?? 0, entry.secondsLeft, elapsed)
  return {
    used: verdict(known.filter(isUsed), 'clients are using now'),
    idle: verdict(
      known.filter((entry) => !isUsed(entry)),
      'nobody used meanwhile',
    ),
  }
}

async function entries(addresses: ReadonlySet<string>): Promise<readonly UdpEntry[]> {
  const read = await readConntrack(addresses)
  if (!read.ok) throw new NotApplicable(`needs to read connection tracking, ${read.detail}`)
  return read.value
}

/**
 * Entries that were translated to an address that is no endpoint of the service, in whatever condition. One that was not
 * translated is not judged: a node-local DNS cache or IPVS answers on the service's own address. Pure.
 */
export function staleOf(entries: readonly UdpEntry[], services: readonly ExpectedService[]): readonly UdpEntry[] {
  return entries.filter(({ address, port, backend }) => {
    const service = services.find(({ clusterIPs }) => clusterIPs.map(canonicalAddress).includes(address))
    const isPort = service?.ports.some((one) => one.protocol === 'udp' && one.port === port)
    if (!isPort || backend === address) return false
    return !service?.endpoints.some((endpoint) => canonicalAddress(endpoint.address) === backend)
  })
}

/** Whether a packet has set the remaining time anew between two readings; all in seconds, the first two whole ones. Pure. */
export const wasUsed = (before: number, after: number, elapsed: number): boolean => before - after < elapsed - 1.5

const flowOf = (entry: UdpEntry) =>
  `${entry.source} ${entry.sourcePort} ${entry.address} ${entry.port} ${entry.backend}`
const backendOf = ({ backend, backendPort }: UdpEntry) => `${backend} ${backendPort}`

/** Endpoints that came after the set-up answer for themselves. */
async function livingOf(suspects: readonly UdpEntry[]): Promise<ReadonlySet<string>> {
  const distinct = [...new Map(suspects.map((entry) => [backendOf(entry), entry])).entries()].slice(0, MOST_ASKED)
  const states = await Promise.all(
    distinct.map(async ([key, { backend, backendPort }]) =>
      (await isAlive({ address: backend, port: backendPort }, 'udp')) ? [key] : [],
    ),
  )
  return new Set(states.flat())
}

/** Addresses asked for a sign of life. */
const MOST_ASKED = 64
/** Entries that a report shows. */
const MOST_ROWS = 100

const nothing: Outcome<void> = { ok: true, value: undefined, evidence: [] }

function none(found: readonly UdpEntry[], services: readonly ExpectedService[]): Outcome<void> {
  const names = services.map(({ name }) => name).join(', ')
  return {
    ok: true,
    value: undefined,
    evidence: [],
    detail: `${found.length} UDP entries to ${names}, all to endpoints that they have`,
  }
}

function verdict(stale: readonly UdpEntry[], who: string): Outcome<void> {
  const [one] = stale
  if (!one) return nothing
  const backends = [...new Set(stale.map(({ backend }) => backend))].join(', ')
  const detail = `${stale.length} UDP entries to ${one.address}:${one.port} that ${who} lead to ${backends}, where no endpoint is; one is of ${one.source}:${one.sourcePort}`
  return { ok: false, code: 'CONNTRACK_STALE', detail, evidence: [table(stale)] }
}

function table(stale: readonly UdpEntry[]): Evidence {
  const rows = stale
    .slice(0, MOST_ROWS)
    .map(({ source, sourcePort, address, port, backend, backendPort, secondsLeft }) => [
      ...[`${source} port ${sourcePort}`, `${address} port ${port}`, `${backend} port ${backendPort}`, secondsLeft],
    ])
  return {
    kind: 'table',
    name: 'stale UDP entries',
    columns: ['client', 'service', 'sent to', 'seconds left'],
    rows,
    ...(stale.length > MOST_ROWS ? { omitted: stale.length - MOST_ROWS } : {}),
  }
}
