/** Which results tell of which way, and what they say of it. Pure. */
import type { Family, Report, Result } from '../../types.ts'
import { baseName, familyOf } from '../model.ts'
import type { Mark, State, WayId } from './types.ts'

/** Checks by file name; those about destination pods are told apart by their row. */
const WAY_OF: Readonly<Record<string, WayId>> = {
  'service-cluster-ip': 'service',
  'service-node-port': 'service',
  'service-load-balancer': 'service',
  'service-hairpin': 'service',
  'endpoints-ping': 'service',
  'endpoints-port': 'service',
  'dns-kubernetes': 'dns',
  'dns-service': 'dns',
  'dns-external': 'dns',
  'dns-replicas': 'dns',
  'dns-search': 'dns',
  'dns-race': 'dns',
  'api-cluster-ip': 'api',
  'api-endpoints': 'api',
  'mtu-api': 'api',
  'kubeconfig-server': 'api',
  'external-ping': 'external',
  'mtu-external': 'external',
  'mtu-node': 'trunk',
}
const TO_PODS: ReadonlySet<string> = new Set(['destination-ping', 'destination-tcp', 'mtu-destination', 'mtu-way-back'])

const known = new WeakMap<Report, ReadonlyMap<Result, WayId>>()

/** The way that each result tells of; what tells of none, or of all of them, is not in it. */
export function waysIn(report: Report): ReadonlyMap<Result, WayId> {
  const ready = known.get(report)
  if (ready) return ready
  const isNamedHere = report.results.some(({ row, targets }) => row === 'named' && targets[0]?.node === report.node)
  const ways = new Map(
    report.results.flatMap((result): [Result, WayId][] => {
      const base = baseName(result.file)
      const toPod = result.row === 'same-node' || (result.row === 'named' && isNamedHere) ? 'same-node' : 'trunk'
      const way = TO_PODS.has(base) ? toPod : WAY_OF[base]
      return way ? [[result, way]] : []
    }),
  )
  known.set(report, ways)
  return ways
}

/** Results of one way, from one place. */
export const ofWay = (report: Report, way: WayId, place: Result['place']): Result[] =>
  report.results.filter((result) => result.place === place && waysIn(report).get(result) === way)

/** One family's state of a way. */
export function stateOf(results: readonly Result[]): State {
  const words = results.map(wordOf)
  if (words.some((word) => word === 'partly')) return 'partly'
  const [good, bad] = [words.includes('answers'), words.includes('broken')]
  if (good) return bad ? 'partly' : 'answers'
  if (bad) return 'broken'
  return words.includes('unknown') ? 'unknown' : 'not-asked'
}

function wordOf(result: Result): State {
  const { verdict, code = '' } = result
  if (verdict === 'pass') return 'answers'
  if (verdict === 'inconclusive') return 'unknown'
  if (verdict === 'not-applicable') return 'not-asked'
  // a lower MTU that somebody signals works
  if (verdict === 'warn') return code.startsWith('PATH_MTU_') ? 'answers' : 'partly'
  return code.startsWith('PATH_MTU_') || somethingAnswered(result) ? 'partly' : 'broken'
}

/** A part of what was asked answered: some targets, or some attempts. */
function somethingAnswered({ answers = [], evidence }: Result): boolean {
  if (answers.some(({ code }) => code === null)) return true
  return evidence.some((item) => {
    if (item.kind !== 'table') return false
    const at = item.columns.indexOf('code')
    return at >= 0 && item.rows.some((row) => row[at] === null)
  })
}

/** Families that anything was asked over; those of the questions when nothing was. */
export function familiesOf(results: readonly Result[]): readonly Family[] {
  const among = (some: readonly Result[]) =>
    ([4, 6] as const).filter((family) => some.some((result) => familyOf(result) === family))
  const asked = among(results.filter(({ verdict }) => verdict !== 'not-applicable'))
  return asked.length > 0 ? asked : among(results)
}

/**
 * What a way does, told once where the families agree. A family that was not asked is left out beside one that was:
 * not every address is of both.
 */
export function marksOf(families: readonly Family[], state: (family: Family) => State): Mark[] {
  const states = families.map((family) => ({ family, state: state(family) }))
  const asked = states.filter((one) => one.state !== 'not-asked')
  if (asked.length === 0) return [{ state: 'not-asked', families: [] }]
  const marks = [...new Set(asked.map((one) => one.state))].map((one) => ({
    state: one,
    families: asked.flatMap(({ family, state: of }) => (of === one ? family : [])),
  }))
  return marks.map((mark) => (mark.families.length === families.length ? { ...mark, families: [] } : mark))
}

/** Results without a family count for each. */
export const marksOfWay = (results: readonly Result[], families: readonly Family[]): Mark[] =>
  marksOf(families, (family) => stateOf(results.filter((result) => (familyOf(result) ?? family) === family)))

/** The worst first. */
const BAD: readonly State[] = ['broken', 'partly', 'unknown', 'not-asked', 'answers']
export const worstOf = (marks: readonly Mark[]): State =>
  BAD.find((state) => marks.some((mark) => mark.state === state)) ?? 'unknown'

/** The lowest measured path MTU among results, bytes; null: none was measured. */
export function pathMtu(results: readonly Result[]): number | null {
  const measured = results.flatMap(({ evidence }) =>
    evidence.flatMap((item) => (item.kind === 'path' && item.mtu?.measured != null ? [item.mtu.measured] : [])),
  )
  return measured.length > 0 ? Math.min(...measured) : null
}
