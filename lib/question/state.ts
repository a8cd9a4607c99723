/** The state of the namespaces around a question, each read once in a process, when first asked for. */
import { given } from '../fact.ts'
import { readState } from '../node/state.ts'
import type { NamespaceState } from '../state.ts'
import type { Outcome, Place, Plan } from '../types.ts'

const states = new Map<string, Promise<Outcome<NamespaceState>>>()

/** The state of the namespace at a path; null: of the asking process' own. */
export function stateOf(path: string | null): Promise<Outcome<NamespaceState>> {
  const key = path ?? ''
  const state = states.get(key) ?? readState(path)
  states.set(key, state)
  return state
}

/** Whether the asking process lives in the node's own network namespace. */
export const asksFromNode = (plan: Plan, place: Place): boolean => place === 'node' || given(plan.source).hostNetwork

/** Path of the node's network namespace: Vitest's main process lives in it, this worker is its child. */
export const nodeNetns = (plan: Plan): string => plan.node.netnsPath ?? `/proc/${process.ppid}/ns/net`

/** The state of the node's namespace, wherever it is asked for. */
export const nodeState = (plan: Plan, place: Place): Promise<Outcome<NamespaceState>> =>
  stateOf(asksFromNode(plan, place) ? null : nodeNetns(plan))
