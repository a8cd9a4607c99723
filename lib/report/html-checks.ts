/** The table of all checks: one line a question, one column a family, evidence folded below it. */
import type { Family, Result, Scope, Verdict } from '../types.ts'
import { evidenceMarkup, targetMarkup } from './html-evidence.ts'
import { html, type Markup } from './markup.ts'
import { familyOf, questionText, VERDICTS } from './model.ts'
import { oneLine } from './text.ts'

/** A sign and a word for each verdict, so that colour is never the only one to tell. */
export const SIGN: Record<Verdict, readonly [sign: string, word: string]> = {
  pass: ['\u2713', 'pass'],
  warn: ['!', 'warning'],
  fail: ['\u2717', 'fail'],
  inconclusive: ['?', 'inconclusive'],
  'not-applicable': ['\u2013', 'n/a'],
}

export function badge(verdict: Verdict, text = SIGN[verdict][1]): Markup {
  return html`<span class="badge ${verdict}"><span aria-hidden="true">${SIGN[verdict][0]}</span> ${text}</span>`
}

/** Where a result stands on the page; its fold opens when a link leads there. */
export type Anchors = ReadonlyMap<Result, string>

export const anchorsOf = (results: readonly Result[]): Anchors =>
  new Map(results.map((result, index) => [result, `check-${index + 1}`]))

const TITLE: Record<Scope, string> = { node: 'From the node', pod: 'From the source pod', cluster: 'Over all nodes' }

/** A table for each place that was asked from. `results` must be in order. */
export function checksMarkup(results: readonly Result[], anchors: Anchors, limit: number): Markup {
  return html`${(['node', 'pod', 'cluster'] as const).map((place) => {
    const questions = byQuestion(results.filter((result) => result.place === place))
    if (questions.length === 0) return null
    return html`<table class="sheet"><caption>${TITLE[place]}</caption>
<thead><tr><th scope="col">Question</th><th scope="col">IPv4</th><th scope="col">IPv6</th></tr></thead>
<tbody>${questions.map((question) => questionMarkup(question, anchors, limit))}</tbody></table>`
  })}`
}

interface Question {
  readonly text: string
  readonly results: readonly Result[]
}

function byQuestion(results: readonly Result[]): Question[] {
  const questions = new Map<string, Result[]>()
  for (const result of results) {
    const key = `${result.file}\n${questionText(result)}`
    questions.set(key, [...(questions.get(key) ?? []), result])
  }
  return [...questions.values()].map((list) => ({ text: questionText(list[0] as Result), results: list }))
}

function questionMarkup({ text, results }: Question, anchors: Anchors, limit: number): Markup {
  const worst = [...results].sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict))[0] as Result
  const seen = oneLine(worst.seen, 160)
  const reasons = [...new Set(results.map((result) => result.seen))].filter(Boolean)
  const cell = (family: Family) =>
    results.filter((result) => familyOf(result) === family).map(({ verdict }) => badge(verdict))
  const whole = results.filter((result) => familyOf(result) === undefined)
  const fold = isBare(results, reasons)
    ? html`${results.map((r) => html`<span id="${anchors.get(r)}"></span>`)}${reasons.map((text) => html`<p class="seen">${oneLine(text)}</p>`)}`
    : html`<details><summary>${seen || 'evidence'}</summary>${results.map((r) => resultMarkup(r, anchors, limit))}</details>`
  return html`<tr class="${worst.verdict}"><th scope="row">${oneLine(text)}</th>${
    whole.length > 0
      ? html`<td colspan="2" class="both">${whole.map(({ verdict }) => badge(verdict))}</td>`
      : html`<td data-label="IPv4">${cell(4)}</td><td data-label="IPv6">${cell(6)}</td>`
  }</tr><tr class="fold ${worst.verdict}"><td colspan="3">${fold}</td></tr>\n`
}

/** Nothing to fold: what did not apply tells why, and what has no evidence has told all. */
function isBare(results: readonly Result[], reasons: readonly string[]): boolean {
  if (results.every(({ verdict }) => verdict === 'not-applicable')) return true
  const sizes = results.map(({ evidence, targets }) => evidence.length + targets.length)
  return reasons.length <= 1 && sizes.every((size) => size === 0)
}

function resultMarkup(result: Result, anchors: Anchors, limit: number): Markup {
  const family = familyOf(result)
  return html`<div class="result" id="${anchors.get(result)}"><h3>${family ? `IPv${family} ` : null}${badge(result.verdict)} <span class="seen">${
    result.code ? `${result.code}, ` : null
  }${result.seconds.toFixed(2)} s</span></h3>
${result.seen && html`<p>${oneLine(result.seen, 1200)}</p>`}${targetMarkup(result.targets, limit)}${evidenceMarkup(result.evidence, limit)}</div>`
}
