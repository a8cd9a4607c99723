/** From the answers of many targets to one outcome: pure. */
import { CODES } from '../diagnose/codes.ts'
import type { Answer, Code, Evidence, Outcome, Target } from '../types.ts'

/** Rows of a table that a report can still show; failures come first. */
const MOST_ROWS = 100
/** Targets named in a sentence. */
const MOST_NAMES = 3

/**
 * One outcome for all targets of a question. It fails when any target does, with the code that most failing targets share;
 * a code that only says "could not look" never hides one that proves a fault.
 * `noun`: what the targets are, in the plural ("endpoints").
 */
export function judgeEach(noun: string, answers: readonly Answer[]): Outcome<void> {
  if (answers.length === 0) {
    return { ok: false, code: 'PROBE_INCONCLUSIVE', detail: `there were no ${noun} to ask`, evidence: [] }
  }
  const evidence = [table(noun, answers), ...timing(answers)]
  const bad = answers.filter((answer) => answer.code !== null)
  const counts = `${answers.length - bad.length} of ${answers.length} ${noun} answered`
  const code = commonest(bad.map((answer) => answer.code as Code))
  const kept = failedFirst(answers)
  if (code === undefined)
    return { ok: true, value: undefined, detail: `${counts}, ${quickest(answers)}`, evidence, answers: kept }
  const [first] = bad
  if (answers.length === 1 && first)
    return { ok: false, code, detail: `${nameOf(first.target)}: ${first.said}`, evidence, answers: kept }
  const named = bad.slice(0, MOST_NAMES).map((answer) => `${nameOf(answer.target)}: ${answer.said}`)
  const more = bad.length > MOST_NAMES ? `; and ${bad.length - MOST_NAMES} more` : ''
  return { ok: false, code, detail: `${counts}; ${named.join('; ')}${more}`, evidence, answers: kept }
}

/**
 * One outcome for many attempts at one virtual address. When some succeed and some do not, a backend behind it is dead
 * (BACKEND_DEAD); when none succeeds, the code is the attempts' own, and a refusal that was heard says more than silence
 * (of many ICMP errors from one host only a few arrive, net.ipv4.icmp_ratelimit).
 */
export function judgeRepeated(target: Target, attempts: readonly Answer[]): Outcome<void> {
  const bad = attempts.filter((answer) => answer.code !== null)
  const heard = bad.filter((answer) => !isSilence(answer) && proves(answer.code as Code))
  const outcome = judgeEach('attempts', attempts)
  if (outcome.ok) {
    const said = [...new Set(attempts.map((answer) => answer.said))].join(', ')
    const often = attempts.length === 1 ? '' : ` ${attempts.length} times`
    const detail = `${nameOf(target)}: ${said}${often}, ${quickest(attempts)}`
    return { ...outcome, detail, answers: [{ target, code: null, said, ms: null }] }
  }
  const all = bad.length === attempts.length
  const code = commonest((all && heard.length > 0 ? heard : bad).map((answer) => answer.code as Code)) ?? outcome.code
  const said = [...new Set([...heard, ...bad].map((answer) => answer.said))].join('; ')
  const detail = `${nameOf(target)}: ${all ? said : `${bad.length} of ${attempts.length} attempts failed: ${said}`}`
  const meant = !all && DEAD.has(code) ? 'BACKEND_DEAD' : code
  return { ...outcome, code: meant, detail, answers: [{ target, code: meant, said, ms: null }] }
}

/** Nothing came back: what loss and a dead backend have in common. */
export const isSilence = ({ code }: Answer): boolean => code !== null && SILENCE.has(code)

const SILENCE: ReadonlySet<Code> = new Set(['UNREACHABLE', 'DNS_NO_ANSWER', 'UDP_SILENT'])

/**
 * One outcome for several: of those that failed the first that proves a fault, else the first that could not look, else the
 * first that only warns. None at all prove nothing. Details and evidence of all that share that fate are kept.
 */
export function allOf(outcomes: readonly Outcome<void>[]): Outcome<void> {
  const evidence = outcomes.flatMap((outcome) => outcome.evidence)
  const answers = outcomes.flatMap((outcome) => outcome.answers ?? [])
  if (outcomes.length === 0) return { ok: false, code: 'PROBE_INCONCLUSIVE', detail: 'nothing was asked', evidence }
  const bad = outcomes.filter((outcome) => !outcome.ok)
  const detail = (bad.length > 0 ? bad : outcomes).flatMap((outcome) => outcome.detail || []).join('; ')
  const [decisive] = bad.toSorted((a, b) => GRAVITY.indexOf(kindOf(a.code)) - GRAVITY.indexOf(kindOf(b.code)))
  return decisive
    ? { ...decisive, detail, evidence, answers }
    : { ok: true, value: undefined, detail, evidence, answers }
}

const GRAVITY = ['fail', 'inconclusive', 'warn'] as const
const kindOf = (code: Code): (typeof GRAVITY)[number] => CODES[code]?.kind ?? 'fail'
const proves = (code: Code): boolean => kindOf(code) !== 'inconclusive'

/**
 * Codes that say of one attempt among good ones: the backend that it met is dead. A wrong answer is worse than
 * that. Silence to the very datagram that other backends answer, four times, is more than the silence of a stranger.
 */
const DEAD: ReadonlySet<Code> = new Set([
  ...['UNREACHABLE', 'REJECTED', 'NOTHING_LISTENING', 'NO_ROUTE'],
  ...['TLS_STALLED', 'TLS_HANDSHAKE_FAILED', 'HTTP_NO_ANSWER', 'DNS_NO_ANSWER', 'UDP_SILENT'],
])

/** A target as a person would name it: name, address, port and node. */
export function nameOf({ name, address, port, family, node }: Target): string {
  const at = port === undefined ? address : family === 6 ? `[${address}]:${port}` : `${address}:${port}`
  const where = node ? ` on ${node}` : ''
  return name === address ? `${at}${where}` : `${name} (${at}${where})`
}

function commonest(codes: readonly Code[]): Code | undefined {
  const proving = codes.filter(proves)
  const counted = new Map<Code, number>()
  for (const code of proving.length > 0 ? proving : codes) counted.set(code, (counted.get(code) ?? 0) + 1)
  return [...counted].sort(([, a], [, b]) => b - a)[0]?.[0]
}

const failedFirst = (answers: readonly Answer[]): Answer[] =>
  answers.toSorted((a, b) => Number(a.code === null) - Number(b.code === null))

function table(noun: string, answers: readonly Answer[]): Evidence {
  const sorted = failedFirst(answers)
  const shown = sorted.slice(0, MOST_ROWS)
  return {
    kind: 'table',
    name: noun,
    columns: ['target', 'answer', 'ms', 'code'],
    rows: shown.map(({ target, said, ms, code }) => [nameOf(target), said, ms, code]),
    ...(sorted.length > shown.length ? { omitted: sorted.length - shown.length } : {}),
  }
}

function timing(answers: readonly Answer[]): Evidence[] {
  const values = answers.flatMap(({ ms }) => (ms === null ? [] : [ms]))
  return values.length < 2
    ? []
    : [{ kind: 'samples', name: 'time to answer', values: values.slice(0, 1000), unit: 'ms' }]
}

function quickest(answers: readonly Answer[]): string {
  const values = answers.flatMap(({ ms }) => (ms === null ? [] : [ms]))
  if (values.length === 0) return 'without a time'
  const low = Math.min(...values)
  const high = Math.max(...values)
  return low === high ? `${low} ms` : `${low} to ${high} ms`
}
