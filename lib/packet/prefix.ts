/** Arithmetic of IP prefixes: which addresses are in them, which route is the longest. Pure. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../types.ts'

/** A prefix as a number: `bits` holds its address, the bits behind `length` cleared. */
export interface Prefix {
  readonly family: Family
  readonly bits: bigint
  readonly length: number
}

const BITS: Record<Family, number> = { 4: 32, 6: 128 }

/** Reads "192.0.2.0/24", "2001:db8::/64" or a single address; null for everything else ("default", "broadcast"). */
export function parsePrefix(text: string): Prefix | null {
  const [address = '', length] = text.split('/')
  if (!/^\d+(\.\d+){3}$|:/.test(address) || !ipaddr.isValid(address)) return null
  const bytes = ipaddr.parse(address).toByteArray()
  const family: Family = bytes.length === 4 ? 4 : 6
  const size = length === undefined ? BITS[family] : Number(length)
  if (!Number.isInteger(size) || size < 0 || size > BITS[family]) return null
  return cut({ family, bits: bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n), length: size })
}

function cut({ family, bits, length }: Prefix): Prefix {
  const rest = BigInt(BITS[family] - length)
  return { family, bits: (bits >> rest) << rest, length }
}

/** Whether every address of `inner` is one of `outer`. */
export const covers = (outer: Prefix, inner: Prefix): boolean =>
  outer.family === inner.family &&
  outer.length <= inner.length &&
  cut({ ...inner, length: outer.length }).bits === outer.bits

export const overlaps = (a: Prefix, b: Prefix): boolean => covers(a, b) || covers(b, a)

export const same = (a: Prefix, b: Prefix): boolean => covers(a, b) && a.length === b.length

export const isHost = ({ family, length }: Prefix): boolean => length === BITS[family]

/** An address in the form in which the kernel's tools print it (RFC 5952); what is no address stays as it is. */
export const canonical = (address: string): string =>
  ipaddr.isValid(address) ? ipaddr.parse(address).toString() : address
