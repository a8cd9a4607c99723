/** Causes and problems as cards of the HTML report: what is the matter, and what to do. */
import { CODES } from '../diagnose/codes.ts'
import type { Report, Result, RunError, Verdict } from '../types.ts'
import { type Anchors, badge } from './html-checks.ts'
import { commands, evidenceMarkup } from './html-evidence.ts'
import { html, type Markup } from './markup.ts'
import { type Explained, explainedBy, type Problem, problemsOf, runProblems, unexplained } from './model.ts'
import { count, oneLine } from './text.ts'

/** Checks of one problem that are listed before the fold. */
const FOLD_AFTER = 4

type Kind = 'cause' | Exclude<Verdict, 'pass' | 'not-applicable'> | 'run'

interface Card {
  readonly kind: Kind
  readonly verdict: Report['verdict']
  readonly markup: Markup
}

/** Over the card that stands first, over the only one of its kind elsewhere, and over those that are left. */
const TITLES: Readonly<Record<Kind, readonly [only: string, rest: string]>> = {
  cause: ['The cause, and what to do', 'More causes, and what to do'],
  fail: ['What is wrong, and what to do', 'What else is wrong, and what to do'],
  run: ['What went wrong around the checks', 'What else went wrong around the checks'],
  inconclusive: ['What could not be looked at, and why', 'What else could not be looked at, and why'],
  warn: ['Warnings', 'More warnings'],
}

export interface Cards {
  /** The first card that makes the verdict; null: the run is sound. */
  readonly root: Markup | null
  /** The others, by kind. */
  readonly rest: Readonly<Record<Kind, Markup | null>>
}

/** All cards of a report; tables in them have at most `limit` rows. */
export function cardsOf(report: Report, anchors: Anchors, limit: number): Cards {
  const others = unexplained(report)
  const problems = (verdict: 'fail' | 'inconclusive' | 'warn'): Card[] =>
    problemsOf(others, verdict).map((problem) => ({
      ...{ kind: verdict, verdict, markup: problemMarkup(problem, verdict, anchors) },
    }))
  const cards: Card[] = [
    ...explainedBy(report).map((one) => ({
      ...{ kind: 'cause' as const, verdict: one.verdict, markup: findingMarkup(one, anchors, limit) },
    })),
    ...problems('fail'),
    ...runProblems(report).map((problem) => ({
      ...{ kind: 'run' as const, verdict: 'inconclusive' as const, markup: runMarkup(problem) },
    })),
    ...problems('inconclusive'),
    ...problems('warn'),
  ]
  const root = cards.find(({ verdict }) => verdict === report.verdict)
  const rest = (kind: Kind): Markup | null => {
    const own = cards.filter((card) => card.kind === kind && card !== root)
    return own.length === 0 ? null : section(TITLES[kind][root?.kind === kind ? 1 : 0], own)
  }
  return {
    root: root ? section(titleOf(root, cards), [root]) : null,
    rest: {
      ...{ cause: rest('cause'), fail: rest('fail'), run: rest('run') },
      ...{ inconclusive: rest('inconclusive'), warn: rest('warn') },
    },
  }
}

function titleOf({ kind }: Card, cards: readonly Card[]): string {
  const causes = cards.filter((card) => card.kind === 'cause').length
  return kind === 'cause' && causes > 1 ? `The first of ${causes} causes, and what to do` : TITLES[kind][0]
}

const section = (title: string, cards: readonly Card[]): Markup =>
  html`<section><h2>${title}</h2>\n${cards.map(({ markup }) => markup)}</section>\n`

/** What to do stands before what follows; the proof is folded. */
function findingMarkup({ finding, results, verdict }: Explained, anchors: Anchors, limit: number): Markup {
  const { code, cause, confidence, remedy, hides, again, evidence } = finding
  return html`<article class="card ${verdict}"><h3><span class="code">${code}</span>${badge(verdict, confidence)}</h3>
<p><strong>${oneLine(cause, 1200)}</strong></p>
<dl class="says"><dt class="do">Do this</dt><dd>${commands(remedy)}</dd>${
    hides && html`<dt>Hidden by it</dt><dd>${oneLine(hides)}: not to be seen until this is mended</dd>`
  }<dt>Ask again</dt><dd><code>${oneLine(again, 1000)}</code></dd></dl>
<details><summary>Explains ${count(results.length, 'check')}</summary>${listOf(results, anchors, false)}</details>${
    evidence.length > 0 &&
    html`<details><summary>How this is known</summary>${evidenceMarkup(evidence, limit)}</details>`
  }</article>\n`
}

function problemMarkup(problem: Problem, verdict: Verdict, anchors: Anchors): Markup {
  const { code, means, remedy, seen, results } = problem
  return html`<article class="card ${verdict}"><h3><span class="code">${code}</span>${badge(verdict)}</h3>
<dl class="says"><dt>${results.length === 1 ? 'Check' : `${results.length} checks`}</dt><dd>${whereMarkup(problem, anchors)}</dd>
${seen && html`<dt>Seen</dt><dd>${oneLine(seen, 1200)}</dd>`}
${means && html`<dt>It means</dt><dd>${commands(means)}</dd>`}${remedy && html`<dt class="do">Do this</dt><dd>${commands(remedy)}</dd>`}</dl></article>\n`
}

function runMarkup({ code, message, file }: RunError): Markup {
  return html`<article class="card inconclusive"><h3><span class="code">${code}</span>${file && html`<code>${file}</code>`}</h3>
<dl class="says"><dt>Seen</dt><dd>${oneLine(message, 1200)}</dd>${
    CODES[code] &&
    html`<dt>It means</dt><dd>${CODES[code].means}</dd><dt class="do">Do this</dt><dd>${commands(CODES[code].remedy)}</dd>`
  }</dl></article>\n`
}

/** The checks with links to their evidence; with what each saw, where they differ. */
function whereMarkup({ seen, results }: Problem, anchors: Anchors): Markup {
  const told = seen === null
  if (results.length <= FOLD_AFTER + 2) return listOf(results, anchors, told)
  const rest = results.slice(FOLD_AFTER)
  return html`${listOf(results.slice(0, FOLD_AFTER), anchors, told)}<details><summary>and ${rest.length} more</summary>${listOf(rest, anchors, told)}</details>`
}

const listOf = (results: readonly Result[], anchors: Anchors, told: boolean): Markup =>
  html`<ul class="where">${results.map(
    (result) =>
      html`<li><a href="#${anchors.get(result)}">${oneLine(result.name)}</a>${
        told && html`<p class="seen">${oneLine(result.seen)}</p>`
      }</li>`,
  )}</ul>`
