/** A node's report, cut to what is of use beside those of other nodes. Pure. */
import type {
  Answer,
  Evidence,
  Finding,
  NodeRun,
  Report,
  Result,
  StateFact,
  Target,
  Verdict,
  VerdictCounts,
} from '../types.ts'
import { asksPeers, asksReplicas } from './peers.ts'

/** Characters of a text, rows of a table, items of a list: a thousand reports stand in memory side by side. */
const MOST_TEXT = 400
const MOST_ROWS = 8
const MOST_ITEMS = 6
const MOST_NOTES = 12

/**
 * A valid report, but: checks that are green keep no evidence, targets and answers (other than those about peers and DNS replicas),
 * and texts, tables and lists are capped. In memory equal texts of many reports are one.
 */
export function digestOf(report: Report): Report {
  return {
    ...report,
    clusterUid: report.clusterUid === null ? null : shared(report.clusterUid),
    settings: NONE,
    notes: report.notes.slice(0, MOST_NOTES).map(capped),
    results: report.results.map(shortResult),
    errors: report.errors.slice(0, MOST_ITEMS).map((error) => ({ ...error, message: capped(error.message) })),
    findings: report.findings.map(shortFinding),
    ...(report.environment ? { environment: report.environment.map(shortFact) } : {}),
  }
}

/** Findings of one node among very many. */
const MOST_FINDINGS = 12

/**
 * The report without results that are green, and what only tells about a single node: for where very many stand side by side. What nodes
 * say of each other stands in the pairs. That DNS replicas were asked stays known, and one check that passed: a report in which nothing
 * was answered is no sound one.
 */
export function withoutGreen(report: Report): Report {
  const { environment: _, ...rest } = report
  const sound = report.results.find(({ verdict }) => verdict === 'pass')
  const results = report.results.flatMap((result): Result[] => {
    const { answers: __, ...short } = result
    if (asksPeers(result)) return isGreen(result.verdict) ? [] : [{ ...short, evidence: NONE, targets: NONE }]
    if (!isGreen(result.verdict)) return [result]
    return asksReplicas(result) || result === sound ? [short] : []
  })
  const findings = report.findings.slice(0, MOST_FINDINGS).map((finding) => ({ ...finding, evidence: NONE }))
  return { ...rest, notes: NONE, results, findings }
}

/**
 * A node's part without results that are green, but for those that others are compared by: what many hundred of them have in common is
 * worked out from that, and they stand in memory together.
 */
export function shortRunOf(run: NodeRun): NodeRun {
  if (run.report === null) return run
  const { results } = run.report
  const kept = results.filter((one) => !isGreen(one.verdict) || asksPeers(one) || asksReplicas(one))
  return { ...run, counts: countsOf(run.report), report: { ...run.report, results: kept } }
}

export function countsOf({ results }: Report): VerdictCounts {
  const counts = { fail: 0, warn: 0, inconclusive: 0, pass: 0, 'not-applicable': 0 }
  for (const { verdict } of results) counts[verdict]++
  return counts
}

const isGreen = (verdict: Verdict): boolean => verdict === 'pass' || verdict === 'not-applicable'

/** One empty list for all. */
const NONE: readonly never[] = []

function shortResult(result: Result): Result {
  const { answers, hint, evidence, targets, ...rest } = result
  const told = { ...rest, ...sharedWords(result), seen: capped(result.seen) }
  const isWhole = asksPeers(result) || asksReplicas(result)
  const kept = isWhole ? answers : isGreen(result.verdict) ? undefined : answers?.filter(({ code }) => code !== null)
  const shown = isWhole ? kept : kept?.slice(0, MOST_ITEMS)
  const most = isWhole && answers === undefined ? targets.length : MOST_ITEMS
  return {
    ...told,
    ...(hint === undefined ? {} : { hint: capped(hint) }),
    findings: result.findings.length === 0 ? NONE : result.findings,
    evidence: isGreen(result.verdict) ? NONE : shortEvidence(evidence),
    targets: isGreen(result.verdict) ? NONE : targets.slice(0, most).map(shortTarget),
    ...(shown && shown.length > 0 ? { answers: shown.map(shortAnswer) } : {}),
  }
}

const sharedWords = ({ id, file, name, check }: Result) => ({
  ...{ id: shared(id), file: shared(file), name: shared(name), check: shared(check) },
})

const shortAnswer = (answer: Answer): Answer => ({
  ...answer,
  target: shortTarget(answer.target),
  said: capped(answer.said),
})

const shortTarget = (target: Target): Target => ({
  ...target,
  ...{ role: shared(target.role), name: shared(target.name), address: shared(target.address) },
  ...(target.node === undefined ? {} : { node: shared(target.node) }),
  ...(target.zone === undefined ? {} : { zone: shared(target.zone) }),
})

const shortFinding = (finding: Finding): Finding => ({
  ...finding,
  cause: capped(finding.cause, 2 * MOST_TEXT),
  remedy: capped(finding.remedy, 2 * MOST_TEXT),
  evidence: shortEvidence(finding.evidence),
  explains: finding.explains.map(shared),
})

const shortFact = ({ topic, name, value, why }: StateFact): StateFact => ({
  topic,
  name: shared(name),
  value: typeof value === 'string' ? capped(value) : value,
  ...(why === undefined ? {} : { why: capped(why) }),
})

/** Samples say little without those of other runs. */
const shortEvidence = (evidence: readonly Evidence[]): readonly Evidence[] =>
  evidence
    .filter(({ kind }) => kind !== 'samples')
    .slice(0, MOST_ITEMS)
    .map((item): Evidence => {
      if (item.kind === 'scalar') return { ...item, value: cell(item.value) }
      if (item.kind !== 'table') return item
      const rows = item.rows.slice(0, MOST_ROWS).map((row) => row.map(cell))
      const omitted = item.rows.length - rows.length + (item.omitted ?? 0)
      return { ...item, rows, ...(omitted > 0 ? { omitted } : {}) }
    })

const cell = <T>(value: T): T | string => (typeof value === 'string' ? capped(value) : value)

function capped(text: string, most = MOST_TEXT): string {
  const characters = text.length > most ? [...text] : null
  return shared(characters && characters.length > most ? `${characters.slice(0, most - 3).join('')}...` : text)
}

/** Texts that were met: what is read from JSON is new each time, and most of it is the same on every node. */
const known = new Map<string, string>()
/** Texts that no other node has are not held for ever. */
const MOST_KNOWN = 20_000

function shared(text: string): string {
  const same = known.get(text)
  if (same !== undefined) return same
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(text, text)
  return text
}
