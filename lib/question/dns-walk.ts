/**
 * The search list as the resolver of a libc walks it: which names it asks, in which order, and where it stops. Pure.
 *
 * glibc (resolv/res_query.c, __res_context_search): a name with at least `ndots` dots is asked as it is first; then each search
 * domain, then the name as it is. NXDOMAIN, NODATA and SERVFAIL lead to the next step, silence ends the search, except at the
 * first step of a name that is asked as it is.
 * musl (src/network/lookup_name.c, name_from_dns_search): a name with at least `ndots` dots is asked as it is only; SERVFAIL,
 * REFUSED and silence end the search.
 */
import { canonicalAddress } from '../packet/address.ts'
import type { Code, Evidence, Outcome, ResolvConf } from '../types.ts'

export type Libc = 'glibc' | 'musl'

export interface Step {
  /** Fully qualified, with the dot at its end. */
  readonly name: string
  /** The name as it is, asked before the search list: what becomes of it never ends the search (glibc). */
  readonly first: boolean
}

/** found: an address; none: NXDOMAIN, or no address record; silent: at least one of the two queries has no answer. */
export type StepState = 'found' | 'none' | 'servfail' | 'refused' | 'silent'

export interface StepAnswer extends Step {
  readonly state: StepState
  readonly addresses: readonly string[]
  /** As a person would say it: "NXDOMAIN", "no answer to AAAA". */
  readonly said: string
  /** Until the later of the two answers; null: silent. */
  readonly ms: number | null
  /** Queries sent, A and AAAA, repeats left out. */
  readonly queries: number
}

/** The names that the resolver asks, in order. */
export function searchSteps(
  name: string,
  { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>,
  libc: Libc,
): readonly Step[] {
  const asItIs = (first: boolean): Step => ({ name: `${name}.`, first })
  const listed = search.map((domain): Step => ({ name: `${name}.${domain}.`, first: false }))
  const enough = name.split('.').length - 1 >= ndots
  if (!enough) return [...listed, asItIs(false)]
  return libc === 'musl' ? [asItIs(false)] : [asItIs(true), ...listed]
}

/** Whether the resolver ends its search with this answer. */
export function ends({ state, first }: StepAnswer, libc: Libc): boolean {
  if (state === 'found') return true
  if (state === 'none') return false
  return libc === 'musl' || (state === 'silent' && !first)
}

export interface WalkVerdict {
  readonly answered: Outcome<void>
  /** What costs, or what another libc would end with: for a warning. */
  readonly remarks: Outcome<void>
}

/** Together, the steps before the one that answers may take this much longer than single answers do, ms. */
export const DEAR_MS = 1000

/**
 * Judges a walk. `expected`: addresses that the name must end at, null: any. `singleMs`: what one query to this nameserver took at
 * most, so that a long way is not taken for a slow search.
 */
export function judgeWalk(
  asked: string,
  steps: readonly StepAnswer[],
  libc: Libc,
  expected: readonly string[] | null,
  singleMs: number,
): WalkVerdict {
  const evidence = evidenceOf(steps)
  const remarks = remarksOf(asked, steps, libc, singleMs)
  const failed = (code: Code, detail: string): WalkVerdict => ({
    answered: { ok: false, code, detail, evidence },
    remarks: NOTHING_TO_REMARK,
  })
  const last = steps.at(-1)
  if (last === undefined) return failed('PROBE_INCONCLUSIVE', 'nothing was asked')
  const at = `step ${steps.length} of the search for ${asked}, ${last.name},`
  if (last.state === 'found') {
    const wanted = expected && new Set(expected.map(canonicalAddress))
    const right = !wanted || (last.addresses.length > 0 && last.addresses.every((address) => wanted.has(address)))
    if (!right) {
      return failed('DNS_WRONG_ANSWER', `${at} says ${last.addresses.join(', ')}, expected ${expected?.join(', ')}`)
    }
    return { answered: { ok: true, value: undefined, detail: foundSaid(asked, steps), evidence }, remarks }
  }
  if (ends(last, libc)) return failed('DNS_SEARCH_BROKEN', `${at} got ${last.said}: ${libc} ends its search there`)
  return failed('DNS_NXDOMAIN', `${asked} is not found at any of ${steps.length} steps of the search`)
}

function foundSaid(asked: string, steps: readonly StepAnswer[]): string {
  const total = steps.reduce((sum, { ms }) => sum + (ms ?? 0), 0)
  const name = steps.at(-1)?.name.replace(/\.$/, '')
  return `${asked} is found as ${name} at step ${steps.length}, after ${queriesOf(steps)} queries, in ${round(total)} ms`
}

const queriesOf = (steps: readonly StepAnswer[]): number => steps.reduce((sum, { queries }) => sum + queries, 0)

function remarksOf(asked: string, steps: readonly StepAnswer[], libc: Libc, singleMs: number): Outcome<void> {
  const before = steps.slice(0, -1)
  const bad = before.find(({ state, first }) => (state === 'servfail' || state === 'refused') && !first)
  if (bad && libc === 'glibc') {
    const detail = `a step of the search for ${asked}, ${bad.name}, got ${bad.said}: glibc goes on, musl ends its search there`
    return { ok: false, code: 'DNS_SEARCH_BROKEN', detail, evidence: [] }
  }
  const silent = before.find(({ state }) => state === 'silent')
  if (silent) {
    const detail = `the first step of the search for ${asked}, ${silent.name}, got ${silent.said}: glibc waits 5 s and more before it goes on`
    return { ok: false, code: 'DNS_SEARCH_SLOW', detail, evidence: [] }
  }
  const extra = before.reduce((sum, { ms }) => sum + Math.max(0, (ms ?? 0) - singleMs), 0)
  if (extra <= DEAR_MS) return NOTHING_TO_REMARK
  const detail = `${before.length} steps of the search for ${asked} took ${round(extra)} ms longer than as many single answers`
  return { ok: false, code: 'DNS_SEARCH_SLOW', detail, evidence: [] }
}

const NOTHING_TO_REMARK: Outcome<void> = { ok: true, value: undefined, evidence: [] }

function evidenceOf(steps: readonly StepAnswer[]): readonly Evidence[] {
  const rows = steps.map(({ name, said, ms, queries }) => [name, said, ms, queries])
  return [
    { kind: 'table', name: 'steps of the search', columns: ['name', 'answer', 'ms', 'queries'], rows },
    { kind: 'scalar', name: 'queries until the search ended', value: queriesOf(steps) },
  ]
}

const round = (ms: number): number => Math.round(ms * 100) / 100
