/**
 * A run beside earlier ones: what fails anew, what is known, what was mended, what is worse, and what was set differently. Results are
 * matched by their ids, which hold roles and never names, so that pods, nodes and clusters may have changed. Pure.
 */
import type {
  Before,
  Change,
  Comparison,
  Report,
  Result,
  RunError,
  StateChange,
  StateFact,
  Verdict,
  Worsening,
} from '../types.ts'
import { isAbout, isExpired, type Waiver, waiverName, waives } from './waivers.ts'
import { worsenings } from './worse.ts'

/** What a run says of itself; of a run that is compared with one that hides names, in the same pseudonyms. */
export interface Identity extends Pick<Report, 'node' | 'clusterUid' | 'settings'> {
  readonly environment: readonly StateFact[]
}

export interface Comparing {
  /** Oldest first. */
  readonly baselines: readonly Report[]
  readonly waivers: readonly Waiver[]
  /** GATE=regressions. */
  readonly gate: boolean
  /** YYYY-MM-DD, UTC. */
  readonly today: string
  /** This run in the words of an earlier one. */
  identityFor(baseline: Report): Identity
}

/** `errors`: of waivers that have run out. Comparison undefined: there is nothing to compare with. */
export function compare(
  report: Report,
  comparing: Comparing,
): { comparison?: Comparison; errors: readonly RunError[] } {
  const { baselines: all, waivers, gate, today, identityFor } = comparing
  if (all.length === 0 && waivers.length === 0) return { errors: [] }
  const baselines = baselinesFor(comparing)
  const valid = waivers.filter((waiver) => !isExpired(waiver, today))
  const earlier = new Map(report.results.map((result) => [result, answersBefore(result, baselines)]))
  const newest = baselines.at(-1)
  return {
    comparison: {
      baselines: baselines.map(({ runId, node, started, verdict }) => ({ runId, node, started, verdict })),
      gate,
      notes: [
        ...identityNotes(all, baselines, identityFor),
        ...(newest ? laterNotes(report, newest, identityFor(newest)) : []),
        ...waiverNotes(valid, report),
      ],
      changes: changesOf(report.results, comparing),
      worse: worseIn(report, earlier),
      stateChanges: newest ? changedState(newest.environment ?? [], identityFor(newest).environment) : [],
    },
    errors: waivers
      .filter((waiver) => isExpired(waiver, today))
      .map((waiver) => ({
        code: 'WAIVER_EXPIRED',
        message: `the waiver of ${waiverName(waiver)} ran out on ${waiver.expires}; its reason was: ${waiver.reason}`,
      })),
  }
}

/** How each result stands beside the earlier runs and the waivers; those that are as before are left out. */
export function changesOf(results: readonly Result[], comparing: Comparing): readonly Change[] {
  const { waivers, gate, today } = comparing
  const baselines = baselinesFor(comparing)
  const valid = waivers.filter((waiver) => !isExpired(waiver, today))
  return results.flatMap((result) => {
    const waiver = valid.find((one) => waives(one, result))
    const standing = { compared: baselines.length > 0, gate, waiver }
    return changeOf(result, answersBefore(result, baselines), standing) ?? []
  })
}

/** Of reports of many nodes those of this one; where none is, all of them. */
function baselinesFor({ baselines, identityFor }: Comparing): readonly Report[] {
  const own = baselines.filter((one) => one.node === identityFor(one).node)
  return own.length > 0 ? own : baselines
}

export const answered = (verdict: Verdict): boolean => verdict === 'pass' || verdict === 'warn' || verdict === 'fail'

const answersBefore = ({ id }: Result, baselines: readonly Report[]): readonly Result[] =>
  baselines.flatMap(({ results }) => results.find((one) => one.id === id && answered(one.verdict)) ?? [])

interface Standing {
  readonly compared: boolean
  readonly gate: boolean
  readonly waiver: Waiver | undefined
}

/** null: as before, or nothing is known of before. */
export function changeOf(result: Result, earlier: readonly Result[], standing: Standing): Change | null {
  const { waiver, gate } = standing
  const failed = earlier.filter(({ verdict }) => verdict === 'fail').length
  const status = statusOf(result, earlier, failed, standing)
  if (status === null) return null
  const codes = earlier.flatMap(({ code, verdict }) => (code && verdict !== 'pass' ? [code] : []))
  const before: Before | null =
    earlier.length > 0 ? { failed, of: earlier.length, codes: [...new Set(codes)].sort() } : null
  return {
    id: result.id,
    name: result.name,
    status,
    ...(result.code && result.verdict !== 'pass' ? { code: result.code } : {}),
    before,
    excused: result.verdict === 'fail' && (waiver !== undefined || (gate && failed > 0)),
    ...(waiver ? { waiver: { reason: waiver.reason, expires: waiver.expires } } : {}),
  }
}

function statusOf(
  { verdict }: Result,
  earlier: readonly Result[],
  failed: number,
  { waiver, compared }: Standing,
): Change['status'] | null {
  if (waiver) return 'known'
  if (verdict === 'fail') return failed > 0 ? 'known' : compared ? 'new' : null
  if (earlier.length === 0) return null
  if (verdict === 'inconclusive') return 'unanswered'
  if (verdict === 'not-applicable') return null
  if (failed > 0) return failed === earlier.length ? 'fixed' : 'unsteady'
  return verdict === 'warn' && earlier.every((one) => one.verdict === 'pass') ? 'new-warning' : null
}

/** Sound runs beside sound ones; what fails beside what failed. */
function worseIn({ results }: Report, earlier: ReadonlyMap<Result, readonly Result[]>): readonly Worsening[] {
  return worsenings(
    results
      .filter(({ verdict }) => answered(verdict))
      .map((now) => {
        const before = earlier.get(now) ?? []
        return { now, before: before.filter(({ verdict }) => (verdict === 'fail') === (now.verdict === 'fail')) }
      }),
  )
}

/** What is known of both runs and differs; what only one of them could read is no change. */
export function changedState(before: readonly StateFact[], now: readonly StateFact[]): readonly StateChange[] {
  const key = ({ topic, name }: StateFact) => `${topic}\n${name}`
  const [readBefore, readNow] = [readTopics(before), readTopics(now)]
  const unread = new Set([...before, ...now].filter(({ value }) => value === null).map(key))
  const byKey = (facts: readonly StateFact[]) => new Map(facts.map((fact) => [key(fact), fact]))
  const [was, is] = [byKey(before), byKey(now)]
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((at) => {
    const fact = (is.get(at) ?? was.get(at)) as StateFact
    const { topic, name } = fact
    if (unread.has(at) || !readBefore.has(topic) || !readNow.has(topic)) return []
    const [old, current] = [was.get(at)?.value ?? null, is.get(at)?.value ?? null]
    return old === current ? [] : [{ topic, name, before: old, now: current }]
  })
}

const TOPICS = [
  ...(['kernel', 'kubernetes', 'runtime', 'cni', 'kube-proxy', 'rules', 'dns', 'sysctl', 'mtu', 'route'] as const),
] satisfies readonly StateFact['topic'][]

const readTopics = (facts: readonly StateFact[]): ReadonlySet<StateFact['topic']> =>
  new Set(facts.flatMap(({ topic, value }) => (value === null ? [] : [topic])))

function identityNotes(
  all: readonly Report[],
  used: readonly Report[],
  identityFor: Comparing['identityFor'],
): readonly string[] {
  const others = all.length - used.length
  const foreign = used.some((one) => one.node !== identityFor(one).node)
  const clusters = used.filter((one) => {
    const own = identityFor(one).clusterUid
    return own !== null && one.clusterUid !== null && one.clusterUid !== own
  })
  return [
    ...(clusters.length > 0 ? ['an earlier report is of another cluster: what differs may be the cluster’s own'] : []),
    ...(foreign ? ['no earlier report is of this node: what differs may be the node’s own'] : []),
    ...(others > 0 ? [`reports of other nodes that were left out, since some are of this node: ${others}`] : []),
  ]
}

/** They say where a run writes, what it shows and how it compares, not what it asks. */
const NOT_ASKED: ReadonlySet<string> = new Set([
  ...['BASELINE', 'GATE', 'KNOWN_ISSUES', 'REPORTS_DIR', 'REDACT', 'TRACE', 'KUBECONFIG', 'KUBE_CONTEXT', 'NODE_NAME'],
])

/** What keeps this run from being the earlier one again. */
function laterNotes(report: Report, newest: Report, own: Identity): readonly string[] {
  return [
    ...versionNote(report, newest),
    ...settingNote(own, newest),
    ...coverageNote(report, newest),
    ...unreadNote(own.environment, newest.environment ?? []),
  ]
}

const versionNote = (report: Report, { tool }: Report): readonly string[] =>
  tool.version === report.tool.version
    ? []
    : [`the earlier run was of version ${tool.version}, this one is of ${report.tool.version}`]

function settingNote(own: Identity, { settings }: Report): readonly string[] {
  const asked = (list: Report['settings']) =>
    new Map((list ?? []).flatMap(({ name, value }) => (NOT_ASKED.has(name) ? [] : [[name, value] as const])))
  const [was, is] = [asked(settings), asked(own.settings)]
  const differ = [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name)).sort()
  return differ.length > 0 ? [`the earlier run had other settings: ${differ.join(', ')}`] : []
}

function unreadNote(own: readonly StateFact[], before: readonly StateFact[]): readonly string[] {
  const [now, then] = [readTopics(own), readTopics(before)]
  const unread = TOPICS.filter((topic) => !now.has(topic) || !then.has(topic))
  return unread.length === 0 ? [] : [`not compared, since not both runs know it: ${unread.join(', ')}`]
}

function coverageNote({ results }: Report, newest: Report): readonly string[] {
  const ids = new Set(results.map(({ id }) => id))
  const missing = newest.results.filter(({ id, verdict }) => answered(verdict) && !ids.has(id)).length
  return missing === 0 ? [] : [`checks that the earlier run asked and this one did not: ${missing}`]
}

/** A waiver that waives nothing should go, unless its check was not asked. */
function waiverNotes(valid: readonly Waiver[], { results }: Report): readonly string[] {
  return valid
    .filter((waiver) => !results.some((result) => waives(waiver, result)))
    .map((waiver) => {
      const asked = results.some((result) => isAbout(waiver, result) && answered(result.verdict))
      const why = asked ? 'nothing fails that it speaks of: remove it' : 'its check gave no answer in this run'
      return `unused waiver of ${waiverName(waiver)}, until ${waiver.expires}: ${why}`
    })
}
