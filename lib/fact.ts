/** Facts of the plan inside a check: an unknown one makes it inconclusive, an absent one not applicable. */
import { Inconclusive, NotApplicable } from './failure.ts'
import type { Endpoint, Fact, Family, Target } from './types.ts'

/** The value of a fact; unknown throws Inconclusive, absent throws NotApplicable. */
export function given<T>(fact: Fact<T>): T {
  if (fact.state === 'known') return fact.value
  if (fact.state === 'unknown') throw new Inconclusive(fact.code, fact.reason, fact.hint)
  throw new NotApplicable(`needs ${fact.need}, ${fact.finding}`)
}

/** Throws NotApplicable, "needs <need>, <finding>", when the value is missing or empty. */
export function needed<T>(value: T | undefined | null, need: string, finding: string): T {
  const missing = value === undefined || value === null || (Array.isArray(value) && value.length === 0)
  if (missing) throw new NotApplicable(`needs ${need}, ${finding}`)
  return value
}

/** "IPv4" or "IPv6". */
export const familyName = (family: Family): string => `IPv${family}`

/** Those of a list that have the family. */
export function ofFamily<T extends { readonly family: Family }>(list: readonly T[], family: Family): T[] {
  return list.filter((item) => item.family === family)
}

/** The family of an IP address. */
export const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4)

/** The address of the family, if there is one. */
export function addressOf(addresses: readonly string[], family: Family): string | undefined {
  return addresses.find((address) => familyOf(address) === family)
}

/** An endpoint as something to ask. */
export function endpointTarget(role: string, endpoint: Endpoint, protocol = endpoint.protocol): Target {
  const { pod, address, family, port, node, zone } = endpoint
  const where = { ...(node ? { node } : {}), ...(zone ? { zone } : {}) }
  return { role, name: pod ?? address, address, family, protocol, port, ...where }
}
