/** Path MTU against what the namespace is promised: the smaller of its link's and its route's MTU. */
import { AgentError, agentIn } from '../agent/client.ts'
import { addressOf, endpointTarget, familyName, given, needed } from '../fact.ts'
import { Inconclusive, NotApplicable } from '../failure.ts'
import { type PromisedMtu, promisedMtu } from '../node/routes.ts'
import { allOf } from '../probe/judge.ts'
import {
  fragmented,
  fullSegment,
  type Judged,
  judgePathMtu,
  type PathContext,
  type PathMtu,
  pathMtu,
  plainContext,
  type SegmentResult,
} from '../probe/pmtu/index.ts'
import { sendingBesideOthers } from '../quiet.ts'
import type { Answer, Outcome, Place, Plan, Target } from '../types.ts'
import { apiEndpoints, endpointsOver } from './api.ts'
import { externalPing, externalTarget } from './external.ts'
import { firstHop, isCutByNode, nodeSide, readNodeCounters, tunnelFrom, whereErrorsEnd } from './mtu-around.ts'
import { peerPodPings, peerPodPorts, peerPods } from './peers.ts'
import { destinationPing, openTcpPort, type PingAnswer, podOf, targetOf } from './pod.ts'
import { destinations, destinationsHere, families, question } from './question.ts'
import { tcpProves } from './sidecar.ts'

export interface MtuAnswer {
  readonly targets: readonly Target[]
  readonly path: Outcome<unknown>
  /** What to do about it, concretely. */
  readonly hint?: string
}

/** One path to measure. */
interface Asked {
  readonly target: Target
  /** A TCP port there, to see what hosts make of it; null: none is known to be open. */
  readonly port: Target | null
  /** Ping is known to be lost on the way: the measure by echo need not wait long. */
  readonly noEcho?: boolean
  readonly insideCluster: boolean
  readonly expected: number | null
}

/** Path MTU to the destination pod of a row. */
export const mtuToDestination = question('never ahead', destinations, async (plan, row): Promise<MtuAnswer> => {
  const target = targetOf(plan, row, 'icmp')
  const ping = await destinationPing(plan, 'pod', row)
  const port = await openTcpPort(plan, row)
  return unlessDead(target, ping, () =>
    measure(plan, 'pod', { target, port, noEcho: !ping.icmp.ok, insideCluster: true, expected: plan.expectedMtu }),
  )
})

/** Path MTU to the external address. */
export const mtuToExternal = question('never ahead', families, async (plan, row): Promise<MtuAnswer> => {
  const target = externalTarget(plan, row)
  const ping = await externalPing(plan, 'pod', row)
  return unlessDead(target, ping, () =>
    measure(plan, 'pod', { target, port: null, insideCluster: false, expected: null }),
  )
})

/** Path MTU to every API server endpoint: its answer to a full-size ClientHello stands in where it answers no echo. */
export const mtuToApi = question('never ahead', families, async (plan, { family }): Promise<MtuAnswer> => {
  const endpoints = endpointsOver(plan, family)
  startAgents(plan)
  const reached = await apiEndpoints(plan, 'pod', { family })
  const nodes = plan.peerNode.state === 'known' ? plan.peerNode.value.known : plan.node.internalIPs
  const answers = await Promise.all(
    endpoints.map(async (endpoint) => {
      const port = endpointTarget('the API server endpoint', endpoint)
      const { port: _, ...target } = { ...port, protocol: 'icmp' as const }
      const insideCluster = nodes.includes(endpoint.address)
      const answer = await measure(plan, 'pod', { target, port, insideCluster, expected: null })
      // that nothing comes back at all is the other check's finding, with its reason
      const silent = !answer.path.ok && answer.path.code === 'PROBE_INCONCLUSIVE' && !reached.path.ok
      return silent ? { targets: [target], path: reached.path } : answer
    }),
  )
  return joined(answers)
})

/** Path MTU to the pod that stands for each peer's pods; each answer carries the exact value where it was found. */
export const mtuToPeers = question('never ahead', families, async (plan, row): Promise<MtuAnswer> => {
  const pods = peerPods(plan, row)
  const pings = await peerPodPings(plan, 'pod', row)
  const ports = await peerPodPorts(plan, 'pod', row)
  const dead = failedIn(pings.reached)
  const filtered = failedIn(pings.icmp)
  const closed = failedIn(ports.reached)
  const answers = await Promise.all(
    pods.map(async ({ target, port }) => {
      const lost = dead.get(target.address)
      if (lost) return { answer: { ...lost, target }, measured: null }
      const open: Target | null = closed.has(target.address) ? null : { ...target, protocol: 'tcp', port }
      const noEcho = filtered.has(target.address)
      const measured = await measure(plan, 'pod', {
        target,
        port: open,
        noEcho,
        insideCluster: true,
        expected: plan.expectedMtu,
      })
      return { answer: sizeAnswer(target, measured.path), measured }
    }),
  )
  const { path, hint } = joined(answers.flatMap(({ measured }) => measured ?? []))
  const each = answers.map(({ answer }) => answer)
  const unreached = each.some(({ code }) => code !== null) && path.ok
  return {
    targets: pods.map(({ target }) => target),
    path: { ...(unreached ? pings.reached : path), answers: each },
    ...(hint && !unreached ? { hint } : {}),
  }
})

const failedIn = ({ answers = [] }: Outcome<void>): ReadonlyMap<string, Answer> =>
  new Map(answers.filter(({ code }) => code !== null).map((answer) => [answer.target.address, answer]))

/** What one path came to, as an answer of its target. */
function sizeAnswer(target: Target, path: Outcome<unknown>): Answer {
  const figures = path.evidence.find((one) => one.kind === 'path')?.mtu
  const said = path.detail ?? 'measured'
  const measured = figures?.measured ?? null
  return { target, code: path.ok ? null : path.code, said, ms: null, ...(measured === null ? {} : { mtu: measured }) }
}

/** Path MTU from this node to another one, by its own addresses. */
export const mtuToNode = question('never ahead', families, async (plan, { family }): Promise<MtuAnswer> => {
  const { name, addresses } = given(plan.peerNode)
  const own = plan.node.internalIPs
  if (own.length > 0)
    needed(addressOf(own, family), `an ${familyName(family)} address of this node`, `it has ${own.join(', ')}`)
  const has = `${name} has ${addresses.join(', ')}`
  const address = needed(addressOf(addresses, family), `an ${familyName(family)} address of another node`, has)
  const target: Target = { role: 'another node', name, address, family, protocol: 'icmp', node: name }
  const port: Target = { ...target, protocol: 'tcp', port: KUBELET_PORT }
  return measure(plan, 'node', { target, port, insideCluster: true, expected: null })
})

const KUBELET_PORT = 10_250

/** The way back from a destination pod on this node: measured by an agent in that pod's namespace. */
export const mtuFromDestination = question('never ahead', destinationsHere, async (plan, row): Promise<MtuAnswer> => {
  const there = targetOf(plan, row, 'icmp')
  const { namespaceHere, node } = podOf(plan, row)
  if (!namespaceHere)
    throw new NotApplicable(
      `needs a destination pod of its own network on this node, ${there.name} is on ${node ?? 'no known node'}`,
    )
  const { netnsPath } = given(namespaceHere)
  const { addresses, name, hostNetwork } = given(plan.source)
  const has = `it has ${addresses.join(', ') || 'none'}`
  const own = hostNetwork ? plan.node.internalIPs : addresses
  const address = needed(addressOf(own, row.family), `an ${familyName(row.family)} address of the source pod`, has)
  const target: Target = { role: 'the source pod', name, address, family: row.family, protocol: 'icmp' }
  const ping = await destinationPing(plan, 'pod', row)
  const limited = plan.policies.state === 'known' ? plan.policies.value.wayBack[row.destination ?? 'named'] : undefined
  if (limited) throw new NotApplicable(`needs a way back that policies allow to be measured, ${limited}`)
  return unlessDead(target, ping, () => measureFrom(netnsPath, plan, target))
})

/** The way back is asked soon: the agents that it needs take a tenth of a second to start. */
function startAgents({ destinations }: Plan): void {
  for (const row of Object.values(destinations)) {
    const here = row.state === 'known' ? row.value.namespaceHere : undefined
    if (here?.state === 'known') agentIn(here.value.netnsPath)
  }
}

/** A path that carries no small packet has no MTU to measure. */
async function unlessDead(target: Target, { reached }: PingAnswer, work: () => Promise<MtuAnswer>): Promise<MtuAnswer> {
  return reached.ok ? work() : { targets: [target], path: reached }
}

const NO_ECHO_MS = 500

async function measure(plan: Plan, place: Place, asked: Asked): Promise<MtuAnswer> {
  const { target } = asked
  const promised = await promisedMtu(target.address)
  if (!promised.ok) return { targets: [target], path: promised }
  const { mtu, linkMtu } = promised.value
  const cutBefore = cuts()
  const budget = asked.noEcho ? { budgetMs: NO_ECHO_MS } : {}
  const once = () => sendingBesideOthers(() => pathMtu(target, { promised: mtu, linkMtu, ...budget }))
  const first = await once()
  const cut = () => cutBefore !== null && (cuts() ?? 0) > cutBefore
  // it passed, yet was called too big or cut on the way: a tunnel may have learned from these very packets what it carries whole
  const path = first.state === 'ok' && (first.signalledBy !== null || cut()) ? await once() : first
  const context = await around(plan, place, asked, promised.value, path, cut())
  return answerOf(target, judgePathMtu(path, context))
}

/** Packets that the node has cut in pieces until now. */
function cuts(): number | null {
  const counters = readNodeCounters()
  return counters && fragmented(counters)
}

/** Looks around only where the measure leaves something to explain: a healthy path costs nothing more. */
async function around(
  plan: Plan,
  place: Place,
  { target, port, insideCluster, expected }: Asked,
  promise: PromisedMtu,
  path: PathMtu,
  suspicious: boolean,
): Promise<PathContext> {
  const plain = plainContext(promise, insideCluster, expected, place)
  const hole = path.state === 'black-hole'
  const asksTcp = hole || path.state === 'unanswered' || (path.state === 'lower-signalled' && insideCluster)
  const short = expected !== null && (path.mtu ?? expected) < expected
  if (!asksTcp && !suspicious && !short) return plain
  const proves = asksTcp && (await tcpProves(plan, place, target))
  const [segment, side] = await Promise.all([proves ? segmentTo(port) : null, nodeSide(plan, place, target.address)])
  const tunnel = side && tunnelFrom(side)
  return {
    ...plain,
    segment,
    tunnel,
    nodeLinks: side?.links ?? [],
    firstHop: side && (await firstHop(plan, place, promise, side)),
    outerFragments: suspicious && tunnel !== null && path.mtu !== null && (await isCutByNode(target, path.mtu)),
    filtered: hole ? await whereErrorsEnd(plan, place, target, path.smallestLost ?? promise.mtu) : null,
  }
}

const segmentTo = (port: Target | null): Promise<SegmentResult | null> =>
  port === null ? Promise.resolve(null) : sendingBesideOthers(() => fullSegment(port))

/** The same, asked by an agent in the namespace at `netnsPath`. */
async function measureFrom(netnsPath: string, plan: Plan, target: Target): Promise<MtuAnswer> {
  const agent = agentIn(netnsPath)
  try {
    const promised = await agent.ask('promisedMtu', target.address)
    if (!promised.ok) return { targets: [target], path: promised }
    const { mtu, linkMtu } = promised.value
    const path = await sendingBesideOthers(() => agent.ask('pathMtu', target, { promised: mtu, linkMtu }))
    return answerOf(target, judgePathMtu(path, plainContext(promised.value, true, plan.expectedMtu)))
  } catch (error) {
    if (error instanceof AgentError) throw new Inconclusive('PROBE_INCONCLUSIVE', error.message, 'Run again.')
    throw error
  }
}

const answerOf = (target: Target, { path, hint }: Judged): MtuAnswer => ({
  targets: [target],
  path,
  ...(hint ? { hint } : {}),
})

function joined(answers: readonly MtuAnswer[]): MtuAnswer {
  const [only] = answers
  if (only && answers.length === 1) return only
  const path = allOf(answers.map((answer) => answer.path as Outcome<void>))
  const code = path.ok ? null : path.code
  const hint = answers.find((answer) => !answer.path.ok && answer.path.code === code)?.hint
  return { targets: answers.flatMap(({ targets }) => targets), path, ...(hint ? { hint } : {}) }
}
