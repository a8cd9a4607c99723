/** What every page of a run says about it, whatever was asked: when, how it was set, whether it came to its end. */
import type { Report, Verdict } from '../types.ts'
import { SIGN } from './html-checks.ts'
import { html, type Markup } from './markup.ts'
import { count, oneLine } from './text.ts'

/** The heading of a page. */
export const WORD: Record<Report['verdict'], string> = {
  pass: 'Sound',
  warn: 'Sound, with warnings',
  fail: 'Failed',
  inconclusive: 'Inconclusive',
}

/** "3 failed", "1 warning" */
export function countWord(verdict: Verdict, n: number): string {
  const words = { pass: 'passed', fail: 'failed', inconclusive: 'inconclusive', 'not-applicable': 'not applicable' }
  return verdict === 'warn' ? count(n, 'warning') : `${n} ${words[verdict]}`
}

/** "2026-03-04 03:07:21 UTC" */
export const moment = (iso: string): string => iso.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC')

export const duration = ({ started, finished }: Report): string =>
  `${((Date.parse(finished ?? '') - Date.parse(started)) / 1000).toFixed(1)} s`

export function incompleteMarkup(report: Report): Markup | null {
  if (report.state === 'complete') return null
  return html`<section class="card loud inconclusive" role="alert"><p><strong>${SIGN.inconclusive[0]} Incomplete:</strong> this run has not ended in order. The page shows what was known by then; whatever is missing here was not asked, and is not sound by that.</p></section>\n`
}

/** Which run this is, what was picked and why, and which way the pod was found. */
export function aboutMarkup(report: Report): Markup {
  const facts: readonly (readonly [string, string | null | undefined])[] = [
    ['Pod found by', report.source?.foundBy],
    ['Cluster', report.clusterUid],
    ['Run', report.runId],
    ['Ended', report.finished ? moment(report.finished) : 'not in order'],
    ['Exit code', `${report.exitCode}`],
  ]
  return html`<section><h2>What was picked, and why</h2>${
    report.notes.length > 0 &&
    html`<ul class="plain">${report.notes.map((note) => html`<li>${oneLine(note)}</li>`)}</ul>`
  }
<dl class="pairs">${facts.map(([name, value]) => value && html`<dt>${name}</dt><dd>${oneLine(value)}</dd>`)}</dl></section>\n`
}

export function settingsMarkup(report: Report): Markup | null {
  if (report.settings.length === 0) return null
  const pairs = report.settings.map(
    ({ name, value }) => html`<dt><code>${name}</code></dt><dd>${oneLine(value) || '(not set)'}</dd>`,
  )
  return html`<section><h2>Settings</h2><dl class="pairs">${pairs}</dl></section>\n`
}
