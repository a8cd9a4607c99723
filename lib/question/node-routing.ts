/** How the node routes for its pods: forwarding, routes and tunnel entries to the other nodes, reverse path filtering. */
import { addressOf } from '../fact.ts'
import { routeArriving, routeTo } from '../node/routes.ts'
import { readStatistics } from '../node/statistics.ts'
import { echo } from '../probe/icmp.ts'
import { watchWindows } from '../probe/pmtu/index.ts'
import { judgeForwarding } from '../probe/state/forwarding.ts'
import { judgePodRoutes } from '../probe/state/pod-routes.ts'
import {
  type Arrival,
  answersFiltered,
  COUNTER,
  filteredAnswers,
  isStill,
  type Refused,
  refusedArrivals,
  strictArrivals,
  strictEntrances,
} from '../probe/state/reverse-path.ts'
import { judgeTunnelEntries } from '../probe/state/tunnel-entries.ts'
import { fine, type StateVerdict } from '../probe/state/verdict.ts'
import { sendingBesideOthers, watchingAlone } from '../quiet.ts'
import type { NamespaceState } from '../state.ts'
import type { Place, Plan, Target } from '../types.ts'
import { clusterView, otherRangesOf, podsHere } from './node-pods.ts'
import { type Asking, families, question } from './question.ts'
import { answerOf, readNodeState, type StateAnswer } from './verdict.ts'

export const forwardsForPods = question('node', families, async (plan, { family }: Asking, place) =>
  answerOf(judgeForwarding(await readNodeState(plan, place), podsHere(plan), otherRangesOf(plan), family)),
)

export const routesToOtherNodes = question('node', families, async (plan, { family }: Asking, place) =>
  answerOf(judgePodRoutes(await readNodeState(plan, place), clusterView(plan), family)),
)

export const tunnelsToOtherNodes = question('node', families, async (plan, { family }: Asking, place) =>
  answerOf(judgeTunnelEntries(await readNodeState(plan, place), clusterView(plan), family)),
)

/** Strict filtering is asked about only where a device has it on: first the kernel about pods of this node, then a pod elsewhere. */
export async function reversePath(plan: Plan, place: Place): Promise<StateAnswer> {
  const state = await readNodeState(plan, place)
  return answerOf((await ofPodsHere(plan, state)) ?? (await ofOtherNode(plan, state)))
}

async function ofPodsHere(plan: Plan, state: NamespaceState): Promise<StateVerdict | null> {
  const own = addressOf(plan.node.internalIPs, 4)
  if (own === undefined) return null
  const asked = await Promise.all(strictArrivals(state, podsHere(plan).addresses).map((one) => isRefused(one, own)))
  const refused = asked.filter((one) => one !== null)
  return refused.length > 0 ? refusedArrivals(state, refused) : null
}

/** The kernel refuses for other reasons too (a martian source): only another way back makes it the filter. */
async function isRefused(arrival: Arrival, own: string): Promise<Refused | null> {
  const back = await routeTo(arrival.address)
  const wayBack = back.ok ? back.value.device : 'nowhere'
  if (wayBack === arrival.device) return null
  return (await routeArriving(own, arrival.address, arrival.device)) === 'refused' ? { ...arrival, wayBack } : null
}

/** A pod on another node that does not answer while a device filters strictly: the filter's counter must follow the echoes. */
async function ofOtherNode(plan: Plan, state: NamespaceState): Promise<StateVerdict> {
  const strict = strictEntrances(state)
  if (strict.length === 0) return fine('no interface filters strictly')
  const calm = fine(`${strict.join(', ')} filter strictly, and what is known of the pods’ ways agrees`)
  const pod = plan.destinations['other-node']
  const address = pod.state === 'known' ? addressOf(pod.value.addresses, 4) : undefined
  if (pod.state !== 'known' || address === undefined) return calm
  const target: Target = { role: 'a pod on another node', name: pod.value.name, address, family: 4, protocol: 'icmp' }
  const [ping] = await sendingBesideOthers(() => echo([target], { probes: 3, timeoutMs: 300 }))
  if (!ping || ping.received > 0 || ping.sent === 0) return calm
  return (await followsEchoes(target))
    ? filteredAnswers(state, address, pod.value.node ?? 'another node', strict)
    : calm
}

const PACKET_BYTES = 84
/** The pod's own probes move the node's counter too, until the run has found its dead paths. */
const QUIET_WITHIN_MS = 8000

async function followsEchoes(target: Target): Promise<boolean> {
  const read = () => ({ [COUNTER]: readStatistics().snmp[COUNTER] ?? 0 })
  const until = performance.now() + QUIET_WITHIN_MS
  do {
    const moved = await watchingAlone(() => watchWindows(target, PACKET_BYTES, { node: read }))
    if (moved === null || isStill(moved.node)) return false
    if (answersFiltered(moved.node)) return true
  } while (performance.now() < until)
  return false
}
