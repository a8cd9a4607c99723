/** Who asked whom, from the answers of every node's checks of its peers. Pure. */
import { CODES, rankOf } from '../diagnose/codes.ts'
import type { Answer, Code, Family, NodePair, NodeRun, Result } from '../types.ts'
import { compareText, groupedBy } from './lists.ts'
import { type Way, wayOf } from './peers.ts'

interface Heard {
  readonly way: Way
  readonly address: string
  readonly code: Code | null
  readonly ms: number | null
  readonly mtu: number | null
}

interface Asked {
  readonly from: string
  readonly to: string
  readonly between: NodePair['between']
  readonly family: Family
  readonly heard: Heard
}

/** One for each two nodes, what is asked (the nodes, or their pods) and family, ordered by these. */
export function pairsOf(runs: readonly NodeRun[]): NodePair[] {
  const asked = runs.flatMap(({ node, report }) => (report?.results ?? []).flatMap((result) => askedBy(node, result)))
  const key = ({ from, to, between, family }: Asked) => [from, to, between, family].join('\n')
  return [...groupedBy(asked, key).values()]
    .map((list) => pairOf(list as [Asked, ...Asked[]]))
    .toSorted(
      (a, b) =>
        compareText(a.from, b.from) ||
        compareText(a.to, b.to) ||
        compareText(a.between, b.between) ||
        a.family - b.family,
    )
}

function askedBy(from: string, result: Result): Asked[] {
  const way = wayOf(result)
  if (way === null || result.place === 'cluster') return []
  const between = result.place === 'node' ? 'nodes' : 'pods'
  return answersOf(result).flatMap(({ target, code, ms, mtu = null, excused }) => {
    if (excused || target.node === undefined || target.node === from) return []
    const heard = { way, address: target.address, code, ms, mtu }
    return [{ from, to: target.node, between, family: target.family, heard }]
  })
}

/** What could not be looked at has targets, but no answers. */
function answersOf({ verdict, code = 'PROBE_INCONCLUSIVE', seen, targets, answers }: Result): readonly Answer[] {
  if (answers || verdict !== 'inconclusive') return answers ?? []
  return targets.map((target) => ({ target, code, said: seen, ms: null }))
}

function pairOf(list: readonly [Asked, ...Asked[]]): NodePair {
  const [{ from, to, between, family }] = list
  const heard = list.map((one) => one.heard)
  const addresses = [...groupedBy(heard, ({ address }) => address).values()].map(together)
  const times = heard.flatMap(({ way, ms, code }) => (way === 'ping' && ms !== null && isReached(code) ? [ms] : []))
  const sizes = heard.flatMap(({ mtu }) => (mtu === null ? [] : [mtu]))
  return {
    ...{ from, to, between, family },
    reached: addresses.some(({ reached }) => reached === false)
      ? false
      : (addresses.find(({ reached }) => reached)?.reached ?? null),
    code: worst(addresses.flatMap(({ code }) => (code === null ? [] : [code]))),
    rttMs: times.length > 0 ? Math.min(...times) : null,
    mtu: sizes.length > 0 ? Math.min(...sizes) : null,
  }
}

/** All that one address answered. Ping that is lost where TCP passes is filtered. */
function together(heard: readonly Heard[]): { readonly reached: boolean | null; readonly code: Code | null } {
  const tcpPasses = heard.some(({ way, code }) => way === 'tcp' && code === null)
  const codes = heard.map(({ way, code }) =>
    way === 'ping' && tcpPasses && isReached(code) === false ? 'ICMP_FILTERED' : code,
  )
  const reached = codes.map(isReached)
  return {
    reached: reached.includes(true) ? true : reached.includes(false) ? false : null,
    code: worst(codes.filter((code) => code !== null)),
  }
}

/** Codes of who did answer, but not as it should. */
const ANSWERED: ReadonlySet<Code> = new Set(['PACKET_LOSS', 'ICMP_FILTERED', 'NOTHING_LISTENING', 'SIDECAR_INTERCEPTS'])

/** Large packets that get lost leave small ones that arrive. */
export const isAboutSize = (code: Code | null): code is Code => code?.startsWith('PATH_MTU_') ?? false

function isReached(code: Code | null): boolean | null {
  if (code === null || ANSWERED.has(code) || isAboutSize(code)) return true
  return CODES[code]?.kind === 'inconclusive' ? null : false
}

const GRAVITY = ['unreached', 'fail', 'inconclusive', 'warn'] as const
const gravityOf = (code: Code): number =>
  GRAVITY.indexOf(isReached(code) === false ? 'unreached' : (CODES[code]?.kind ?? 'fail'))

const worst = (codes: readonly Code[]): Code | null =>
  codes.toSorted((a, b) => gravityOf(a) - gravityOf(b) || rankOf(a) - rankOf(b) || compareText(a, b))[0] ?? null
