/** Ranges of addresses that are given out one by one. Pure. */
import { covers, type Prefix, parsePrefix } from './prefix.ts'

/** Whether an address is in the range. */
export function rangeHolds(range: Prefix, address: string): boolean {
  const one = parsePrefix(address)
  return one !== null && covers(range, one)
}

/**
 * How many addresses for pods host-local finds in a range: all but the first and, in IPv4, the last (network and broadcast), and
 * the gateway's.
 */
export function poolSize({ family, length }: Prefix): number {
  const [bits, others] = family === 4 ? [32, 3] : [128, 2]
  return Math.max(2 ** (bits - length) - others, 0)
}
