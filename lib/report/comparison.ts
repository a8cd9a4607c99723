/** The comparison with earlier runs in words that terminal, Markdown, HTML and JUnit share. Pure. */
import { CODES } from '../diagnose/codes.ts'
import type { Change, ChangeStatus, Comparison, Report, StateChange, StateTopic, Worsening } from '../types.ts'
import { formatNumber } from './evidence.ts'
import { count, minuteOf } from './text.ts'

export interface ComparisonLine {
  readonly text: string
  readonly code?: string
  /** Of the result that it is about. */
  readonly id?: string
}

export interface ComparisonPart {
  readonly kind: ChangeStatus | 'worse' | 'state' | 'notes'
  readonly title: string
  readonly lines: readonly ComparisonLine[]
  /** What to do about all of them. */
  readonly remedies: readonly string[]
}

/** The parts that have something to say, what decides first; empty: nothing was compared. */
export function comparisonParts({ comparison }: Report): ComparisonPart[] {
  if (!comparison) return []
  const { changes, worse, stateChanges, notes, gate } = comparison
  const of = (kind: ChangeStatus, title: string): ComparisonPart => ({
    kind,
    title,
    lines: changes.filter(({ status }) => status === kind).map(changeLine),
    remedies: [],
  })
  const codes = [...new Set(worse.map(({ code }) => code))]
  const parts: ComparisonPart[] = [
    of('new', 'New failures'),
    {
      kind: 'worse',
      title: gate ? 'Worse than before' : 'Worse than before (fails only with GATE=regressions)',
      lines: worse.map(worseLine),
      remedies: codes.flatMap((code) => CODES[code]?.remedy ?? []),
    },
    of('known', 'Known'),
    of('new-warning', 'New warnings'),
    of('unanswered', 'No longer answered'),
    of('fixed', 'Fixed'),
    of('unsteady', 'Answered well now, failed in some earlier runs'),
    { kind: 'state', title: 'Set differently than before', lines: stateChanges.map(stateLine), remedies: [] },
    { kind: 'notes', title: 'To be kept in mind', lines: notes.map((text) => ({ text })), remedies: [] },
  ]
  return parts.filter(({ lines }) => lines.length > 0)
}

/** "compared with the run of 2026-03-04 03:07 on node n1: 1 new failure, 2 known, nothing worse, 1 fixed" */
export function comparisonSentence({ baselines, changes, worse, gate }: Comparison): string {
  const times = (status: ChangeStatus) => changes.filter((change) => change.status === status).length
  if (baselines.length === 0) return `Beside the waivers: ${count(times('known'), 'known failure')}.`
  const [first, ...others] = baselines.toReversed()
  const runs = `the run of ${minuteOf(first?.started ?? '')} on node ${first?.node}`
  const more = others.length > 0 ? ` and ${count(others.length, 'earlier one')}` : ''
  const counts = [
    count(times('new'), 'new failure'),
    `${times('known')} known`,
    `${worse.length} worse`,
    `${times('fixed')} fixed`,
  ].join(', ')
  return `Compared with ${runs}${more}: ${counts}${gate ? '' : ' (not a gate: every failure counts)'}.`
}

function changeLine(change: Change): ComparisonLine {
  const { id, name, code } = change
  const about = aboutOf(change)
  return { id, ...(code ? { code } : {}), text: about === '' ? name : `${name}: ${about}` }
}

/** What a person wants to know of a change beside its name. */
export function aboutOf({ status, code, before, waiver }: Change): string {
  const said = [
    ...(waiver ? [`waived until ${waiver.expires}, ${waiver.reason}`] : []),
    ...(before === null && status === 'new' ? ['had no answer before'] : []),
    ...(before && before.failed > 0 && before.of > 1
      ? [`failed in ${before.failed} of ${before.of} earlier runs`]
      : []),
    ...(before && before.codes.length > 0 && !before.codes.some((one) => one === code)
      ? [`${status === 'known' ? 'with another code: ' : ''}${before.codes.join(', ')} before`]
      : []),
  ]
  return said.join('; ')
}

const WHAT: Readonly<Record<string, string>> = {
  RTT_HIGHER: 'median round trip',
  LOSS_HIGHER: 'echoes lost',
  PATH_MTU_REDUCED: 'path MTU',
  DNS_SLOWER: 'median time to an answer',
}

const worseLine = (worse: Worsening): ComparisonLine => ({
  ...(worse.id ? { id: worse.id } : {}),
  code: worse.code,
  text: worseText(worse),
})

/** "...: median round trip 0.3 ms before, 20.4 ms now, by chance with a probability of less than 0.0001" */
export function worseText({ name, code, unit, before, now, p }: Worsening): string {
  const chance = p === null ? '' : `, by chance with a probability of ${p < 0.0001 ? 'less than 0.0001' : p.toFixed(4)}`
  const figures = `${formatNumber(before)} ${unit} before, ${formatNumber(now)} ${unit} now`
  return `${name}: ${WHAT[code] ?? 'figure'} ${figures}${chance}`
}

const TOPIC: Record<StateTopic, string> = {
  kernel: '',
  kubernetes: '',
  runtime: '',
  cni: '',
  'kube-proxy': '',
  rules: 'number of ',
  dns: '',
  sysctl: 'sysctl ',
  mtu: 'MTU of ',
  route: 'route ',
}

function stateLine({ topic, name, before, now }: StateChange): ComparisonLine {
  const shown = (value: string | number | null) => (value === null ? 'not there' : `${value}`)
  const prefix = name === 'routes of the main table' ? 'number of ' : TOPIC[topic]
  return { text: `${prefix}${name}: ${shown(before)} before, ${shown(now)} now` }
}
