/** Which failures the packets themselves can be asked about: pure. */
import type { Code, Result, Target } from '../types.ts'

/** Codes that say only that a path does not work: why, its packets tell. */
const PATH: ReadonlySet<Code> = new Set([
  ...['UNREACHABLE', 'REJECTED', 'NO_ROUTE', 'NOTHING_LISTENING', 'BACKEND_DEAD', 'DNS_NO_ANSWER', 'UDP_SILENT'],
  ...['ICMP_FILTERED', 'DNS_TCP_BLOCKED', 'DNS_UDP_BLOCKED', 'PACKET_LOSS'],
])
export const isPathFailure = ({ code }: Pick<Result, 'code'>): boolean => PATH.has(code ?? '')

/** Codes that name a cause by themselves, for which another look at the packets is worth its time. */
const LOOKED_AT: ReadonlySet<Code> = new Set(['GATEWAY_UNRESOLVED', 'TLS_STALLED'])

type Asked = Pick<Result, 'verdict' | 'code' | 'answers' | 'targets'>

/** The targets of a check that failed or warns which did not answer as they should; all of them, where that is not known. */
export function failingTargets({ answers, targets }: Asked): readonly Target[] {
  const failing = (answers ?? []).filter(({ code }) => code !== null).map(({ target }) => target)
  return failing.length > 0 ? failing : targets
}

/** Whom to ask again while everybody watches. */
export function targetsToReplay(asked: Asked): readonly Target[] {
  const bad = asked.verdict === 'fail' || asked.verdict === 'warn'
  return bad && (isPathFailure(asked) || LOOKED_AT.has(asked.code ?? '')) ? failingTargets(asked) : []
}
