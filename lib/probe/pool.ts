const MOST_IN_FLIGHT = 256

/** Runs `work` for every item, at most 256 at once, and returns the results in the order of the items. */
export async function eachWithin<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  limit: number = MOST_IN_FLIGHT,
): Promise<readonly R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index] as T)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane))
  return results
}
