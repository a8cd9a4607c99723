/**
 * Runs `work` after `ms` milliseconds, but only after the event loop has looked for input once more: a process that was
 * starved of CPU finds its timer and its answer at the same moment, and the answer must win. Returns the cancellation.
 */
export function deadline(ms: number, work: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    immediate = setImmediate(work)
  }, ms)
  return () => {
    clearTimeout(timer)
    if (immediate) clearImmediate(immediate)
  }
}
