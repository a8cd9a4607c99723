/**
 * After a failure the failing targets are asked again, in windows of 7, 0 and 11 probes, while packet taps and counters of the pod's and
 * the node's namespace watch (and the destination pod's, when it is on this node). What was seen is left for lib/diagnose.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Agent, agentIn } from '../agent/client.ts'
import { readAllCounters } from '../node/counters.ts'
import { openDropTrace } from '../node/drops.ts'
import { readFirewall } from '../node/firewall/read.ts'
import { readNeighbours } from '../node/neighbours.ts'
import { routeOf } from '../node/routes.ts'
import { readState } from '../node/state.ts'
import { readWatch, type Sighting, stopWatching, watchAddresses } from '../probe/watch.ts'
import { watchingAlone } from '../quiet.ts'
import { clusterDomainIn } from '../resolv.ts'
import type { FirewallState, FlowSeen, NamespaceState, Observed, RouteSaid, Side, Station, Windows } from '../state.ts'
import type { Endpoint, Fact, Outcome, Place, Plan, Target } from '../types.ts'
import { filtersOf } from './filters.ts'
import { type Sender, sendersFor, sendRounds } from './send.ts'
import { isTranslated, stationsOf, type Watched, withShared } from './stations.ts'

const ROUNDS = [7, 0, 11] as const
/** Where a part of the packets is lost, shares are compared: enough of them that chance does not decide. */
const MANY_ROUNDS = [60, 0, 90] as const
/** After the last probe of a window, ms: what moves on this node moves within a fraction of it. */
const SETTLE_MS = 70
/** All replays of a process together, ms; what comes later is judged by what is known then. */
const BUDGET_MS = 4500
/** Checks that fail side by side are asked again side by side. */
const GATHER_MS = 15
/** Backends of a virtual address whose routes are asked for. */
const MOST_BACKENDS = 8
/** Targets of one replay; the others are alike. */
const MOST_TARGETS = 14

interface Waiting {
  readonly lossy: boolean
  readonly targets: readonly Target[]
  resolve(observed: Observed | null): void
}

const seen = new Set<string>()
let waiting: Waiting[] = []
let spentMs = 0
let told = false

export const flowKey = ({ address, protocol, port }: Target): string => `${protocol ?? 'icmp'} ${address} ${port ?? ''}`

/** Asks failing targets again and watches (`lossy`: answers come, but not all); null where all of them were asked before, or the time is spent. Never throws. */
export function replay(plan: Plan, place: Place, targets: readonly Target[], lossy: boolean): Promise<Observed | null> {
  const fresh = [...new Map(targets.map((target) => [flowKey(target), target])).values()].filter(
    (target) => !seen.has(flowKey(target)),
  )
  for (const target of fresh) seen.add(flowKey(target))
  if (fresh.length === 0 || spentMs > BUDGET_MS) return Promise.resolve(null)
  return new Promise((resolve) => {
    waiting.push({ lossy, targets: fresh, resolve })
    if (waiting.length > 1) return
    setTimeout(async () => {
      const batch = waiting
      waiting = []
      const all = batch.flatMap(({ targets: some }) => some).slice(0, MOST_TARGETS)
      const rounds = batch.some((one) => one.lossy) ? MANY_ROUNDS : ROUNDS
      const observed = await watchingAlone(() => timed(() => observe(plan, place, all, rounds))).catch(() => null)
      // one of them carries it for all
      for (const [index, { resolve: done }] of batch.entries()) done(index === 0 ? observed : null)
    }, GATHER_MS)
  })
}

/** Waiting for others to end is not counted. */
async function timed<T>(work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  try {
    return await work()
  } finally {
    spentMs += performance.now() - began
  }
}

/** A name that the cluster's DNS answers from what it knows itself. */
function ownNameIn({ source }: Plan): string {
  const resolv = source.state === 'known' && source.value.resolv.state === 'known' ? source.value.resolv.value : null
  return `kubernetes.default.svc.${clusterDomainIn(resolv?.search ?? []) ?? 'cluster.local'}.`
}

/** One side's watcher: this process, or an agent in that namespace. */
interface Watcher {
  readonly side: Side
  /** null: this process. */
  readonly agent: Agent | null
  /** Whose /proc/<pid>/net holds the counters; null: nobody's that is known. */
  readonly pid: number | 'thread-self' | null
  /** Path of the namespace; null: this process' own. */
  readonly path: string | null
}

async function observe(plan: Plan, place: Place, targets: readonly Target[], windows: Windows): Promise<Observed> {
  const watchers = watchersFor(plan, place, targets)
  const addresses = [
    ...ownAddresses(plan, place),
    ...targets.map(({ address }) => address),
    ...targets.filter(isTranslated).flatMap(({ address }) => backendsOf(plan, address)),
  ]
  const blind: Partial<Record<Side, string>> = {}
  const [states, firewalls] = await Promise.all([statesOf(watchers), firewallsOf(watchers, blind)])
  await Promise.all(
    watchers.map(async ({ side, agent }) => {
      const said = await (agent ? agent.ask('watchAddresses', addresses) : watchAddresses(addresses))
      if (said !== null) blind[side] = said
    }),
  ).catch((error: Error) => {
    blind.node = error.message
  })
  const trace = plan.trace ? openDropTrace() : null
  const traced = trace === null || typeof trace === 'string' ? null : trace
  const drops: Readonly<Record<string, number>>[] = []
  const senders = sendersFor(targets, ownNameIn(plan))
  const counters: Record<string, number>[][] = []
  const sightings: (readonly Sighting[])[][] = []
  try {
    for (const rounds of windows) {
      traced?.read()
      const before = watchers.map(({ pid }) => (pid === null ? {} : readAllCounters(pid)))
      await sendRounds(senders, rounds)
      await sleep(SETTLE_MS)
      const after = watchers.map(({ pid }) => (pid === null ? {} : readAllCounters(pid)))
      if (traced) drops.push(traced.read())
      counters.push(after.map((now, index) => moved(before[index] ?? {}, now)))
      sightings.push(await Promise.all(watchers.map((watcher) => look(watcher))))
    }
  } finally {
    traced?.close()
    for (const { agent } of watchers) agent ? agent.ask('stopWatching').catch(() => undefined) : stopWatching()
  }
  const neighbours = await neighboursOf(watchers)
  const isPod = (side: Side) => side === 'target' || (side === 'own' && watchers.some((one) => one.side === 'node'))
  const watched = watchers.map(({ side }, index): Watched => {
    const links = states[side]?.links ?? []
    return {
      side,
      names: new Map(links.map(({ index: number, name }) => [number, name])),
      ends: new Set(isPod(side) ? links.flatMap((link) => (link.master === null ? [link.index] : [])) : []),
      windows: sightings.map((window) => window[index] ?? []),
    }
  })
  const known = withShared(senders.map((sender) => ({ target: sender.target, keys: new Set(sender.keys()) })))
  const stations = known.map((flow) => stationsOf(flow, watched))
  const flows = await Promise.all(
    senders.map((sender, index) =>
      flowOf(sender, stations[index] ?? [], windows, watchers, plan, place, states, firewalls),
    ),
  )
  for (const sender of senders) sender.close()
  const first = !told
  told = true
  const reasons = typeof trace === 'string' ? trace : traced ? byWindow(drops) : null
  const counted = followed(watchers, counters)
  return { flows, counters: counted, drops: reasons, blind, neighbours, states: first ? states : null }
}

async function neighboursOf(watchers: readonly Watcher[]): Promise<Observed['neighbours']> {
  const read = await Promise.all(
    watchers.map(async ({ side, agent }) => {
      const found = await (agent ? agent.ask('readNeighbours').catch(() => null) : readNeighbours())
      return found?.ok ? [[side, found.value] as const] : []
    }),
  )
  return Object.fromEntries(read.flat())
}

const look = ({ agent }: Watcher): Promise<readonly Sighting[]> | readonly Sighting[] =>
  agent ? agent.ask('readWatch').catch(() => []) : readWatch()

function watchersFor(plan: Plan, place: Place, targets: readonly Target[]): readonly Watcher[] {
  const own: Watcher = { side: 'own', agent: null, pid: 'thread-self', path: null }
  const fromNode = place === 'node' || (plan.source.state === 'known' && plan.source.value.hostNetwork)
  const nodePath = plan.node.netnsPath ?? `/proc/${process.ppid}/ns/net`
  const node: Watcher[] = fromNode
    ? []
    : [{ side: 'node', agent: agentIn(nodePath), pid: process.ppid, path: nodePath }]
  const here = Object.values(plan.destinations).flatMap((fact) => {
    if (fact.state !== 'known' || fact.value.namespaceHere?.state !== 'known') return []
    const asked = targets.some(({ address }) => fact.value.addresses.includes(address))
    return asked ? [fact.value.namespaceHere.value.netnsPath] : []
  })
  const target = here.slice(0, 1).map((path): Watcher => ({ side: 'target', agent: agentIn(path), pid: null, path }))
  return [own, ...node, ...target]
}

/** Read once a process, like the state. */
const firewallsRead = new Map<string, Promise<Outcome<FirewallState>>>()

function firewallAt(path: string | null): Promise<Outcome<FirewallState>> {
  const key = path ?? ''
  const state = firewallsRead.get(key) ?? readFirewall(path)
  firewallsRead.set(key, state)
  return state
}

async function firewallsOf(
  watchers: readonly Watcher[],
  blind: Partial<Record<Side, string>>,
): Promise<Partial<Record<Side, FirewallState>>> {
  const read = await Promise.all(watchers.map(async ({ side, path }) => [side, await firewallAt(path)] as const))
  for (const [side, state] of read) {
    const missing = state.ok ? state.value.missing : state.detail
    if (missing !== null) blind[side] = `its packet filter could not be read in full: ${missing}`
  }
  return Object.fromEntries(read.flatMap(([side, state]) => (state.ok ? [[side, state.value]] : [])))
}

/** Read once a process: what is set wrong is so from the first failure on. */
const statesRead = new Map<string, Promise<Outcome<NamespaceState>>>()

function stateAt(path: string | null): Promise<Outcome<NamespaceState>> {
  const key = path ?? ''
  const state = statesRead.get(key) ?? readState(path)
  statesRead.set(key, state)
  return state
}

async function statesOf(watchers: readonly Watcher[]): Promise<Partial<Record<Side, NamespaceState>>> {
  const read = await Promise.all(watchers.map(async ({ side, path }) => [side, await stateAt(path)] as const))
  return Object.fromEntries(
    read.flatMap(([side, state]: readonly [Side, Outcome<NamespaceState>]) => (state.ok ? [[side, state.value]] : [])),
  )
}

/** Who stands behind a Service's address, for all that is known: a packet to them that was masqueraded bears no other address that is watched. */
function backendsOf({ api, service, dns }: Plan, address: string): readonly string[] {
  const addressesOf = (fact: Fact<readonly Endpoint[]>) => (fact.state === 'known' ? fact.value : [])
  const services = [
    ...(api.service.state === 'known'
      ? [{ at: api.service.value.clusterIPs, behind: addressesOf(api.endpoints) }]
      : []),
    ...(dns.state === 'known' ? [{ at: dns.value.clusterIPs, behind: dns.value.replicas }] : []),
    ...(service.state === 'known'
      ? [{ at: service.value.clusterIPs, behind: addressesOf(service.value.endpoints) }]
      : []),
  ]
  return services.flatMap(({ at, behind }) => (at.includes(address) ? behind.map((one) => one.address) : []))
}

function ownAddresses(plan: Plan, place: Place): readonly string[] {
  return place === 'pod' && plan.source.state === 'known' ? plan.source.value.addresses : plan.node.internalIPs
}

function moved(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) {
  return Object.fromEntries(
    Object.entries(after).flatMap(([name, value]) => {
      const by = value - (before[name] ?? 0)
      return by === 0 ? [] : [[name, by]]
    }),
  )
}

/** Counters that moved in both busy windows. */
function followed(
  watchers: readonly Watcher[],
  windows: readonly (readonly Readonly<Record<string, number>>[])[],
): Observed['counters'] {
  return Object.fromEntries(
    watchers.map(({ side }, index) => [side, byWindow(windows.map((window) => window[index] ?? {}))]),
  )
}

/** What was counted in both busy windows. */
function byWindow(windows: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, Windows>> {
  const of = (window: number, name: string) => windows[window]?.[name] ?? 0
  const names = Object.keys(windows[0] ?? {}).filter((name) => of(2, name) > 0)
  return Object.fromEntries(names.map((name) => [name, [of(0, name), of(1, name), of(2, name)]]))
}

async function flowOf(
  sender: Sender,
  stations: readonly Station[],
  windows: Windows,
  watchers: readonly Watcher[],
  plan: Plan,
  place: Place,
  states: Partial<Record<Side, NamespaceState>>,
  firewalls: Partial<Record<Side, FirewallState>>,
): Promise<FlowSeen> {
  const { target } = sender
  const source =
    sender.source() ?? ownAddresses(plan, place).find((one) => one.includes(':') === (target.family === 6)) ?? null
  const own = await routeOf({ destination: target.address, source: null, iif: null })
  const node = watchers.find(({ side }) => side === 'node')
  const ingress = stations.filter((one) => one.side === 'node' && one.kind === 'probe' && !one.outgoing).at(-1)?.device
  // a bridge may drop what comes in by its port: it is the bridge that would have handed it on
  const iif = entranceOf(states) ?? ingress ?? null
  const onNode = stations.filter((one) => one.side === 'node' && one.kind === 'probe')
  const inner = onNode[0]?.source ?? source
  const destinations = [...new Set(onNode.map(({ destination }) => destination))].slice(0, MOST_BACKENDS)
  const forward: Record<string, RouteSaid> = {}
  const back: Record<string, RouteSaid> = {}
  const agent = node?.agent
  if (agent && iif) {
    const asked = destinations.length > 0 ? destinations : [target.address]
    await Promise.all(
      asked.map(async (destination) => {
        const there = await said(agent, { destination, source: inner, iif })
        if (there) forward[destination] = there
        if (!source || !there?.device) return
        const home = await said(agent, { destination: source, source: destination, iif: there.device })
        if (home) back[destination] = home
      }),
    )
  }
  const way = {
    ...{ target, source, stations, routes: forward, entrance: iif },
    key: target.protocol === 'icmp' ? undefined : sender.keys()[0],
    port: peerOf(states)?.master ? (peerOf(states)?.name ?? null) : null,
    fromNode: node === undefined,
  }
  return {
    target,
    source,
    sent: windows,
    refused: sender.refused(),
    answered: sender.answered(),
    stations,
    routes: { own, node: forward, back },
    filters: filtersOf(way, firewalls, states),
  }
}

const said = (agent: Agent, packet: Parameters<typeof routeOf>[0]): Promise<RouteSaid | null> =>
  agent.ask('routeOf', packet).catch(() => null)

/** The node's interface that the pod's packets come in by: the bridge that the veth peer is a port of, or the peer itself. */
function entranceOf(states: Partial<Record<Side, NamespaceState>>): string | null {
  const peer = peerOf(states)
  return peer ? (peer.master ?? peer.name) : null
}

/** The node's end of the pod's veth pair. */
export function peerOf(states: Partial<Record<Side, NamespaceState>>) {
  const own = states.own?.links.find(({ kind, name }) => kind === 'veth' && name !== 'lo')
  return states.node?.links.find(
    ({ index, kind, peerIndex }) => kind === 'veth' && index === own?.peerIndex && peerIndex === own.index,
  )
}
