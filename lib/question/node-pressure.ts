/** What runs full on the node, and what it drops while the run lasts. */
import { release } from 'node:os'
import { featuresOf } from '../node/ethtool.ts'
import { judgeOffload, miscountsVxlan } from '../probe/state/offload.ts'
import {
  judgeBacklog,
  judgeConntrackDrops,
  judgeConntrackFill,
  judgeInterfaces,
  judgeNeighbours,
} from '../probe/state/pressure.ts'
import type { Place, Plan } from '../types.ts'
import { nodeWindow } from './node-window.ts'
import { type Asking, families, question } from './question.ts'
import { answerOf, readNodeState, type StateAnswer } from './verdict.ts'

export const conntrackFill = async (plan: Plan, place: Place): Promise<StateAnswer> =>
  answerOf(judgeConntrackFill(await readNodeState(plan, place)))

export const conntrackDrops = async (): Promise<StateAnswer> => answerOf(judgeConntrackDrops(await nodeWindow()))

export const backlogDrops = async (): Promise<StateAnswer> => answerOf(judgeBacklog(await nodeWindow()))

export const interfaceDrops = async (plan: Plan, place: Place): Promise<StateAnswer> =>
  answerOf(judgeInterfaces(await readNodeState(plan, place), await nodeWindow()))

export const neighbourTable = question('node', families, async (plan, { family }: Asking, place) =>
  answerOf(judgeNeighbours(await readNodeState(plan, place), await nodeWindow(), family)),
)

/** ethtool is asked only on a kernel that is known to miscount. */
export async function vxlanChecksums(plan: Plan, place: Place): Promise<StateAnswer> {
  const state = await readNodeState(plan, place)
  const kernel = release()
  const devices = miscountsVxlan(kernel) ? state.links.filter(({ kind }) => kind === 'vxlan') : []
  const features = await Promise.all(devices.map(async ({ name }) => [name, await featuresOf(name)] as const))
  return answerOf(judgeOffload(state, kernel, Object.fromEntries(features), await nodeWindow()))
}
