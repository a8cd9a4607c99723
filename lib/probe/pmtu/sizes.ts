/** Which packet sizes are worth asking. Pure; all sizes are whole IP packets in bytes. */
import type { Family } from '../../types.ts'

/** The size that needs no measuring below it: IPv4 hosts reassemble 576 (RFC 1122), IPv6 links carry 1280 (RFC 8200). */
export const USUAL_FLOOR: Readonly<Record<Family, number>> = { 4: 576, 6: 1280 }

/** Largest packet that an echo can make: IPv4's length field counts the header, IPv6's does not. */
export const LARGEST_PACKET: Readonly<Record<Family, number>> = { 4: 65_535, 6: 65_575 }

/**
 * What encapsulations take away: 802.1Q 4, PPPoE 8, IPIP 20, GRE 24 and 28, IPv6 in IP 40, VXLAN and Geneve 50 (70 over
 * IPv6), ESP 54 to 57 and 77, Geneve with OVN options 58 and 78, WireGuard 60 (80 over IPv6), Geneve with reserve 100.
 */
const OVERHEADS = [4, 8, 20, 24, 28, 40, 50, 54, 57, 58, 60, 70, 77, 78, 80, 100]
/** Link and path MTUs that are common in the field. */
const COMMON = [9000, 8951, 8896, 4096, 1500, 1492, 1460, 1450, 1440, 1420, 1400, 1380, 1280, 576]

/** Link MTUs that routers had when they did not yet name one (RFC 1191, section 7.1). */
const PLATEAUS = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68]

/** Both sides of each plateau, strictly between `lo` and `hi`: one round settles a path whose MTU is a plateau. */
export function plateauSizes(lo: number, hi: number): number[] {
  const sizes = PLATEAUS.flatMap((plateau) => [plateau, plateau + 1])
  return ascending(sizes.filter((size) => size > lo && size < hi))
}

/** Sizes strictly between `lo` and `hi` that a path is likely to have as its MTU, ascending, at most `count`. */
export function likelySizes(promised: number, lo: number, hi: number, count: number): number[] {
  const sizes = [...OVERHEADS.map((overhead) => promised - overhead), ...COMMON]
  return ascending(sizes.filter((size) => size > lo && size < hi)).slice(-count)
}

/** At most `count` sizes strictly between `lo` and `hi`, evenly spread: all of them when they are few. */
export function spread(lo: number, hi: number, count: number): number[] {
  const parts = Math.min(count, hi - lo - 1) + 1
  return Array.from({ length: parts - 1 }, (_, index) => lo + Math.round(((hi - lo) * (index + 1)) / parts))
}

export function ascending(sizes: readonly number[]): number[] {
  return [...new Set(sizes)].sort((a, b) => a - b)
}
