/** What each node is asked, and with which settings. Pure. */
import type { Settings } from '../settings.ts'
import { packetsPerNode } from './estimate.ts'
import type { ClusterMember } from './inventory.ts'
import type { NodeTask } from './objects.ts'
import { pairUp } from './peers.ts'

/** The task of each node: its pod, and whom it asks. A pod that the user names is looked for on each node. */
export function tasksFor(
  members: readonly ClusterMember[],
  peersPerNode: number,
  settings: Pick<Settings, 'given'>,
): NodeTask[] {
  const asks = pairUp(members, peersPerNode)
  const byNode = new Map(members.map(({ notReady: _, ...peer }) => [peer.node, peer]))
  const named = settings.given.find(({ name }) => name === 'SRC_POD')?.value ?? null
  return members.map(({ node, pod }, index) => ({
    node,
    index,
    source: named ?? (pod ? `${pod.namespace}/${pod.name}` : null),
    peers: (asks.get(node) ?? []).flatMap((name) => byNode.get(name) ?? []),
  }))
}

/** The sentence that says what each node will send. `probes`: packets of one question. */
export function estimateOf(tasks: readonly NodeTask[], probes: number): string {
  const peers = Math.max(0, ...tasks.map((task) => task.peers.length))
  const each = Math.round(packetsPerNode({ peers, probes }) / 100) * 100
  return `each node asks up to ${peers} others and sends about ${each} packets when all is well`
}

/** Settings that mean on each node what they mean on one. */
const PASSED_ON = new Set([
  ...['SRC_NAMESPACE', 'DST_POD', 'DST_NAMESPACE', 'DST_SVC', 'DST_SVC_NAMESPACE', 'EXTERNAL_IP', 'EXTERNAL_NAME'],
  ...['CONTAINER_RUNTIME_ENDPOINT', 'CNI_LEASES_DIR', 'PROBES', 'EXPECT_MTU', 'EXPECT_DENIED', 'STRICT', 'TRACE'],
])

/** Those of the user's settings that the Jobs get. */
export const passedOn = ({ given }: Settings): Record<string, string> =>
  Object.fromEntries(given.filter(({ name }) => PASSED_ON.has(name)).map(({ name, value }) => [name, value]))
