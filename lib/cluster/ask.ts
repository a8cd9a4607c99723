/** Asks many nodes, so many at once, within a time: one Job each, watched until it ended or cannot. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '../kube/index.ts'
import type { Fact } from '../types.ts'
import type { KubeObject, NodeTask } from './objects.ts'
import { admissionProblem, type Problem, progressOf } from './pod-state.ts'

/** How the cluster is reached: every call is one request, and none throws. */
export interface Reach {
  create(task: NodeTask): Promise<Fact<KubeObject>>
  pods(): Promise<Fact<readonly V1Pod[]>>
  log(pod: string): Promise<Fact<string>>
  refusals(task: NodeTask): Promise<readonly string[]>
  /** Takes a Job away that is not needed any more. */
  discard(task: NodeTask): Promise<unknown>
}

/** All in ms. */
export interface Limits {
  readonly atOnce: number
  /** From the creation of a Job to its end. */
  readonly node: number
  readonly total: number
  /** Until the Job controller has made a pod of a Job, and then until the node's kubelet has taken it. */
  readonly pickup: number
  readonly pollEvery: number
}

export interface NodeAnswer {
  readonly task: NodeTask
  readonly problem: Problem | null
  /** What its pod printed; null: nothing could be read. */
  readonly log: string | null
  readonly exitCode: number | null
}

/** How far a run is: numbers of nodes. */
export interface Standing {
  readonly waiting: number
  readonly running: number
  readonly done: number
}

interface Active {
  readonly task: NodeTask
  readonly since: number
  /** A pod was seen. */
  seen: boolean
}

/** Logs that are in memory together. */
const LOGS_AT_ONCE = 8

/** Label of a node's pod that the Job controller sets (batch/v1). */
const JOB_NAME = 'batch.kubernetes.io/job-name'

/**
 * One answer a node, in the order in which they come. Problem codes: IMAGE_NOT_PULLED, NODE_REFUSED_POD, POD_NOT_ADMITTED,
 * NODE_NOT_READY, NODE_TIMED_OUT, NODE_REPORT_LOST, and those of Reach.create.
 * `heard` is called with each answer at once, so that logs need not be kept.
 */
export async function askNodes(
  tasks: readonly NodeTask[],
  reach: Reach,
  limits: Limits,
  heard: (answer: NodeAnswer) => void,
  tell: (standing: Standing) => void = () => {},
): Promise<void> {
  const end = Date.now() + limits.total
  const waiting = [...tasks]
  const active = new Map<string, Active>()
  let done = 0
  let away = ''
  const settle = (task: NodeTask, answer: Omit<NodeAnswer, 'task'>) => {
    done++
    heard({ task, ...answer })
  }
  const start = async (task: NodeTask) => {
    const made = await reach.create(task)
    if (made.state === 'known') {
      active.set(made.value.metadata.name ?? '', { task, since: Date.now(), seen: false })
    } else settle(task, nothing(problemOf(made)))
  }
  while (waiting.length + active.size > 0) {
    if (Date.now() >= end) break
    await Promise.all(waiting.splice(0, Math.max(0, limits.atOnce - active.size)).map(start))
    tell({ waiting: waiting.length, running: active.size, done })
    await sleep(limits.pollEvery)
    const pods = await reach.pods()
    if (pods.state !== 'known') {
      away = pods.state === 'unknown' ? pods.reason : pods.finding
      continue
    }
    away = ''
    const byJob = new Map(pods.value.map((pod) => [pod.metadata?.labels?.[JOB_NAME] ?? '', pod]))
    const visit = async ([name, one]: [string, Active]) => {
      const answer = await look(one, byJob.get(name), reach, limits)
      if (answer === null) return
      active.delete(name)
      settle(one.task, answer)
      await reach.discard(one.task)
    }
    const visits = [...active]
    while (visits.length > 0) await Promise.all(visits.splice(0, LOGS_AT_ONCE).map(visit))
  }
  const late = away ? `: ${away}` : ''
  for (const { task } of active.values())
    settle(task, nothing(timedOut(`the time of the run ended before its Job did${late}`)))
  for (const task of waiting) settle(task, nothing(timedOut(`the time of the run ended before it was asked${late}`)))
  tell({ waiting: 0, running: 0, done })
}

const nothing = (problem: Problem): Omit<NodeAnswer, 'task'> => ({ problem, log: null, exitCode: null })

/** null: not ended yet. */
async function look(
  one: Active,
  pod: V1Pod | undefined,
  reach: Reach,
  limits: Limits,
): Promise<Omit<NodeAnswer, 'task'> | null> {
  const age = Date.now() - one.since
  if (pod === undefined) return without(one, age, reach, limits)
  one.seen = true
  const progress = progressOf(pod)
  const name = pod.metadata?.name ?? ''
  if (progress.state === 'refused') return nothing(progress.problem)
  if (progress.state === 'ended') {
    const log = await reach.log(name)
    if (log.state === 'known') return { problem: null, log: log.value, exitCode: progress.exitCode }
    const why = log.state === 'unknown' ? log.reason : log.finding
    const reason = `it ended with exit code ${progress.exitCode}, and what it printed cannot be read: ${why}`
    return { problem: { code: 'NODE_REPORT_LOST', reason, hint: LOG_HINT }, log: null, exitCode: progress.exitCode }
  }
  if (!pod.status?.startTime && age > limits.pickup) {
    return nothing({
      code: 'NODE_NOT_READY',
      reason: `its kubelet did not take the pod within ${limits.pickup / 1000} s`,
      hint: `See whether the kubelet runs and reaches the API server: \`kubectl describe node ${one.task.node}\`, \`journalctl -u kubelet\` there.`,
    })
  }
  if (age <= limits.node) return null
  return nothing(timedOut(`it did not end within ${limits.node / 1000} s (${progress.state})`))
}

async function without(
  one: Active,
  age: number,
  reach: Reach,
  limits: Limits,
): Promise<Omit<NodeAnswer, 'task'> | null> {
  if (one.seen) {
    const reason = 'its pod was deleted before it ended'
    return nothing({
      code: 'NODE_REPORT_LOST',
      reason,
      hint: 'Run again; see who deletes pods there, or whether the node was drained.',
    })
  }
  if (age <= limits.pickup) return null
  return nothing(admissionProblem(await reach.refusals(one.task)))
}

const LOG_HINT =
  'The API server reads logs from the kubelet’s port 10250: open it from the control plane to the node, see `kubectl logs` there.'

const timedOut = (reason: string): Problem => ({
  code: 'NODE_TIMED_OUT',
  reason,
  hint: 'Give more time (NODE_TIMEOUT, RUN_TIMEOUT), or ask more nodes at once (NODES_AT_ONCE); look at the load of the node.',
})

function problemOf(fact: Exclude<Fact<unknown>, { state: 'known' }>): Problem {
  if (fact.state === 'unknown') return { code: fact.code, reason: fact.reason, hint: fact.hint }
  return {
    code: 'POD_NOT_ADMITTED',
    reason: `${fact.need}: ${fact.finding}`,
    hint: 'The namespace of the run is gone: run again.',
  }
}
