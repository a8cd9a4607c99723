/** The detection table: how the suite did with each fault, and all together. Pure. */
import { keyOf } from './index.ts'
import type { Pairing } from './pairs.ts'
import type { Trial } from './trial.ts'

/** Of 100 faults so many must have their root cause first. */
const LEAST_RIGHT_PERCENT = 95

export interface Score {
  readonly trials: number
  readonly found: number
  readonly right: number
  readonly mendable: number
  readonly mended: number
  readonly failures: number
  readonly explained: number
  readonly falseFindings: number
}

export function scoreOf(trials: readonly Trial[]): Score {
  const count = (holds: (trial: Trial) => boolean) => trials.filter(holds).length
  const sum = (of: (trial: Trial) => number) => trials.reduce((all, trial) => all + of(trial), 0)
  return {
    trials: trials.length,
    found: count(({ found }) => found),
    right: count(({ rightFirst }) => rightFirst),
    mendable: count(({ remedyWorks }) => remedyWorks !== null),
    mended: count(({ remedyWorks }) => remedyWorks === true),
    failures: sum(({ failures }) => failures),
    explained: sum(({ explained }) => explained),
    falseFindings: sum(({ falseFindings }) => falseFindings.length),
  }
}

/** Whether the suite is as good as it must be. */
export const passes = (score: Score): boolean =>
  score.right * 100 >= score.trials * LEAST_RIGHT_PERCENT && score.falseFindings === 0

const mark = (holds: boolean | null) => (holds === null ? '-' : holds ? 'yes' : '**no**')

/** Columns: fault, place, found, right cause first, remedy works, explained failures, false findings. */
export function tableOf(trials: readonly Trial[]): string {
  const rows = trials.map(({ entry, found, rightFirst, remedyWorks, failures, explained, falseFindings }) => [
    `${entry.class}: ${entry.name}`,
    entry.place,
    mark(found),
    entry.root.length === 0 ? '-' : mark(rightFirst),
    mark(remedyWorks),
    `${explained} of ${failures}`,
    falseFindings.length === 0 ? '0' : `**${falseFindings.join(', ')}**`,
  ])
  return markdown(
    ['fault', 'place', 'found', 'right cause first', 'remedy works', 'explained failures', 'false findings'],
    rows,
  )
}

/** Columns: both faults, and what was said of each. */
export const pairTableOf = (pairings: readonly Pairing[]): string =>
  markdown(
    ['one fault', 'another at once', 'one named', 'other named', 'false findings'],
    pairings.map(({ pair, named, hidden, falseFindings }) => [
      ...pair.map(keyOf),
      ...named.map((one) => (one ? 'yes' : hidden ? `hidden: ${hidden}` : '**no**')),
      falseFindings.length === 0 ? '0' : `**${falseFindings.join(', ')}**`,
    ]),
  )

const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

export const percent = (part: number, of: number): string =>
  of === 0 ? '-' : `${Math.floor((part * 1000) / of) / 10} %`

/** The document that is committed: the score, and the tables. */
export function documentOf(seed: number, trials: readonly Trial[], pairings: readonly Pairing[]): string {
  const { found, right, mendable, mended, failures, explained, falseFindings } = scoreOf(trials)
  const both = pairings.filter(({ complaints }) => complaints.length === 0).length
  return [
    '# What the suite finds',
    '',
    'Each fault is made in a real Kubernetes (dual stack, VXLAN, kube-proxy with nftables), the suite is run, what it says is',
    `done, and the suite is run again. Written by \`npm run selftest\`; parameters are drawn from a seed (here ${seed}).`,
    '',
    `- faults: ${trials.length}, each another pair of cause and place; found: ${found} (${percent(found, trials.length)})`,
    `- right cause first: ${right} (${percent(right, trials.length)})`,
    `- green after doing what the remedy says: ${mended} of ${mendable} (${percent(mended, mendable)})`,
    `- failing checks that a finding explains: ${explained} of ${failures} (${percent(explained, failures)})`,
    `- false findings: ${falseFindings}`,
    `- two faults at once: ${both} of ${pairings.length} both named, or the report says what one of them hides`,
    '',
    tableOf(trials),
    '',
    '## Two faults at once',
    '',
    pairTableOf(pairings),
    '',
  ].join('\n')
}
