/**
 * Agents: processes in other network namespaces, one for each, started when first asked. The channel is a socket pair, which
 * does not care about namespaces (unix(7)).
 */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { TaskName, TaskReply, TaskRequest, Tasks } from './tasks.ts'

/** An agent that could not answer: it did not start, could not enter its namespace, or ran out of time. */
export class AgentError extends Error {
  override name = 'AgentError'
}

export interface Agent {
  /** Runs a task in the agent's namespace. Rejects with AgentError. Arguments and result must survive structuredClone. */
  ask<N extends TaskName>(name: N, ...args: Parameters<Tasks[N]>): Promise<Awaited<ReturnType<Tasks[N]>>>
}

const BUDGET_MS = 15_000
/** Its file among those that lib/bundle.ts makes. */
const FILE = join(import.meta.dirname, 'agent-main-ts.mjs')

const agents = new Map<string, Agent>()

/** The agent of the namespace at `path` (/proc/<pid>/ns/net or a pinned file). It lives as long as this process. */
export function agentIn(path: string, file = FILE): Agent {
  const known = agents.get(path)
  if (known) return known
  const made = startAgent(path, file)
  agents.set(path, made)
  return made
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: AgentError): void
}

function startAgent(path: string, file: string): Agent {
  const waiting = new Map<number, Waiting>()
  const child = fork(file, [path], {
    execArgv: ['--max-semi-space-size=1'],
    serialization: 'advanced',
    stdio: 'ignore',
  })
  const end = (why: string) => {
    agents.delete(path)
    for (const { reject } of waiting.values()) reject(new AgentError(why))
    waiting.clear()
  }
  child.on('message', (reply: TaskReply) => {
    const asked = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) asked?.reject(new AgentError(reply.error))
    else asked?.resolve(reply.value)
    rest(child, waiting.size === 0)
  })
  child.once('error', (error) => end(`the agent for ${path} cannot be started: ${error.message}`))
  child.once('exit', (code, signal) => end(`the agent for ${path} ended (${signal ?? code})`))
  rest(child, true)
  let lastId = 0
  return {
    ask: (name, ...args) =>
      new Promise((resolve, reject) => {
        const id = ++lastId
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(new AgentError(`the agent for ${path} did not answer ${name} within ${BUDGET_MS / 1000} s`))
        }, BUDGET_MS)
        const settle =
          <T>(work: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer)
            work(value)
          }
        waiting.set(id, { resolve: settle(resolve as (value: unknown) => void), reject: settle(reject) })
        rest(child, false)
        child.send({ id, name, args } satisfies TaskRequest, (error) => error && end(error.message))
      }),
  }
}

/** An agent at rest does not keep this process alive. */
function rest(child: ChildProcess, idle: boolean): void {
  if (idle) {
    child.unref()
    child.channel?.unref()
  } else {
    child.ref()
    child.channel?.ref()
  }
}
