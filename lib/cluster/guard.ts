/**
 * A process that outlives a run for a moment and deletes what the run made, however the run ends: in order, by a signal, a crash, or
 * SIGKILL. It has a session of its own, so that Ctrl-C in a terminal does not end it too, and waits for the channel to close.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { connectKube } from '../kube/index.ts'
import { readSettings } from '../settings.ts'
import { type Named, remove } from './hands.ts'

/** owner: what to delete. remove: now, and say how it went. */
export type GuardRequest = { readonly owner: Named } | { readonly remove: true }
export type GuardReply = { readonly removed: true } | { readonly failed: string }

const TRIES = 5
const BETWEEN_MS = 2_000

let owner: Named | null = null

process.on('message', async (request: GuardRequest) => {
  if ('owner' in request) {
    owner = request.owner
    process.send?.({ removed: true } satisfies GuardReply)
    return
  }
  process.removeAllListeners('disconnect')
  const failed = await removeAll()
  process.send?.(failed === null ? { removed: true } : { failed }, () => process.exit(0))
})

process.on('disconnect', async () => {
  await removeAll()
  process.exit(0)
})

// a signal to the whole group of processes ends the run, which is when this one is needed
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

/** null: it is gone. */
async function removeAll(): Promise<string | null> {
  if (owner === null) return null
  let why = ''
  for (let i = 0; i < TRIES; i++) {
    // credentials of the start may have run out by now
    const kube = await connectKube(readSettings().settings)
    const gone = kube.state === 'known' ? await remove(kube.value, owner) : kube
    if (gone.state !== 'unknown') return null
    why = gone.reason
    await sleep(BETWEEN_MS)
  }
  return why
}
