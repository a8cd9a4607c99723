/** Setup file of the `host` and `pod` projects: this worker goes to the namespace that its checks ask from, and stays. */
import { inject } from 'vitest'
import { enterNamespace, NamespaceError } from './netns/index.ts'
import { type PlaceState, placeIsSettled, rememberPlace } from './netns/worker.ts'

if (!placeIsSettled()) {
  // A main process that is killed cannot end its workers: they see the channel close.
  process.once('disconnect', () => process.exit(0))
  rememberPlace(await enter())
}

async function enter(): Promise<PlaceState> {
  const plan = inject('plan')
  const source = plan.source
  const path =
    inject('place') === 'node' ? plan.node.netnsPath : source.state === 'known' ? source.value.netnsPath : null
  try {
    return { ok: true, netns: await enterNamespace(path ?? '/proc/self/ns/net') }
  } catch (error) {
    if (error instanceof NamespaceError) return { ok: false, code: error.code, reason: error.message, hint: error.hint }
    return { ok: false, code: 'CHECK_CRASHED', reason: (error as Error).message, hint: 'Please report this.' }
  }
}
