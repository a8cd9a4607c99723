/**
 * Measurements share a namespace's counters: many may send at once, but who watches which counters move must be alone.
 * Checks of one process use this one lock.
 */
let sending = 0
let watching: Promise<void> = Promise.resolve()
const waiting: (() => void)[] = []

/** Sends beside other senders, after whoever watches. */
export async function sendingBesideOthers<T>(work: () => Promise<T>): Promise<T> {
  for (let last: unknown; last !== watching; await watching) last = watching
  sending++
  try {
    return await work()
  } finally {
    sending--
    if (sending === 0) for (const go of waiting.splice(0)) go()
  }
}

/** Watches alone: waits until nobody sends, and keeps senders and other watchers waiting. */
export function watchingAlone<T>(work: () => Promise<T>): Promise<T> {
  const before = watching
  const result = (async () => {
    await before
    while (sending > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    return work()
  })()
  watching = result.then(
    () => undefined,
    () => undefined,
  )
  return result
}
