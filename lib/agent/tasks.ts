/** What an agent can be asked to do in its namespace: the probes and readings of this process, under their own names. */
import { readLinks } from '../node/links.ts'
import { readNeighbours } from '../node/neighbours.ts'
import { promisedMtu, routeOf, routeTo } from '../node/routes.ts'
import { pathMtu } from '../probe/pmtu/index.ts'
import { readWatch, stopWatching, watchAddresses } from '../probe/watch.ts'

export const TASKS = {
  ...{ pathMtu, promisedMtu, readLinks, readNeighbours, readWatch, routeOf, routeTo },
  ...{ stopWatching, watchAddresses },
}

export type Tasks = typeof TASKS
export type TaskName = keyof Tasks

/** One question and its answer, as they cross the channel between the processes. */
export interface TaskRequest {
  readonly id: number
  readonly name: TaskName
  readonly args: readonly unknown[]
}

export type TaskReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }
