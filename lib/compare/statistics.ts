/** The tests behind "worse": whether two samples, or two shares, differ by more than chance. Pure. */

/** Middle value of at least one; of an even number the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low, high] = [sorted[middle - 1] ?? 0, sorted[middle] ?? 0]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

/**
 * One-sided Mann-Whitney U test: how probable values of `now` that lie so far above those of `before` are by chance, when both come
 * from one distribution. By the normal approximation with corrections for ties and continuity; 1 where a side is empty.
 */
export function probabilityNotAbove(before: readonly number[], now: readonly number[]): number {
  const [n, m] = [before.length, now.length]
  const total = n + m
  const all = [...before.map((value) => ({ value, own: 0 })), ...now.map((value) => ({ value, own: 1 }))]
  all.sort((a, b) => a.value - b.value)
  let [ranksOfNow, ties] = [0, 0]
  for (let from = 0; from < total; ) {
    let to = from
    while (to < total && all[to]?.value === all[from]?.value) to++
    const rank = (from + to + 1) / 2
    for (let at = from; at < to; at++) ranksOfNow += (all[at]?.own ?? 0) * rank
    ties += (to - from) ** 3 - (to - from)
    from = to
  }
  const u = ranksOfNow - (m * (m + 1)) / 2
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)))
  if (!(variance > 0)) return 1
  return upperTail((u - (n * m) / 2 - 0.5) / Math.sqrt(variance))
}

/** Of the standard normal distribution (Abramowitz and Stegun, 26.2.17: error below 7.5e-8). */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z)
  const t = 1 / (1 + 0.2316419 * z)
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series
}

/** So many of how many. */
export interface Share {
  readonly lost: number
  readonly sent: number
}

/** One-sided Fisher's exact test: how probable it is that `now` lost so many, or more, when both lose the same share. */
export function probabilityOfLoss(before: Share, now: Share): number {
  const [lost, sent] = [before.lost + now.lost, before.sent + now.sent]
  const most = Math.min(lost, now.sent)
  let sum = 0
  for (let k = now.lost; k <= most; k++) {
    if (lost - k > before.sent) continue
    sum += Math.exp(logChoose(now.sent, k) + logChoose(before.sent, lost - k) - logChoose(sent, lost))
  }
  return Math.min(1, sum)
}

function logChoose(n: number, k: number): number {
  let sum = 0
  for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i)
  return sum
}
