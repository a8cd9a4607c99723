/** This side of the guard: see guard.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { GuardReply, GuardRequest } from './guard.ts'
import type { Named } from './hands.ts'

export interface Guard {
  /** From now on `owner` is deleted when this process ends, whatever ends it. */
  watch(owner: Named): Promise<void>
  /** Deletes it now. Why it could not; null: it is gone. */
  remove(): Promise<string | null>
}

/** Its file among those that lib/bundle.ts makes. */
const FILE = join(import.meta.dirname, 'cluster-guard-ts.mjs')

export function startGuard(file = FILE): Guard {
  const child = fork(file, [], { detached: true, stdio: 'ignore' })
  return {
    async watch(owner) {
      await reply(child, { owner })
      // it must not keep this process alive
      child.unref()
      child.channel?.unref()
    },
    async remove() {
      child.ref()
      child.channel?.ref()
      const said = await reply(child, { remove: true })
      return 'failed' in said ? said.failed : null
    },
  }
}

async function reply(child: ChildProcess, request: GuardRequest): Promise<GuardReply> {
  const answer = once(child, 'message')
  const ended = once(child, 'exit').then(([code]) => [{ failed: `the guard ended (${code})` }])
  child.send(request)
  const [said] = await Promise.race([answer, ended])
  return said as GuardReply
}
