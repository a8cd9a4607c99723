/** Foreign text in every place of a report that a cluster, a server or a kernel fills: each output keeps its form, whatever stands there. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ElementCompact, xml2js } from 'xml-js'
import { toHtml } from '../../../lib/report/html.ts'
import { toJson } from '../../../lib/report/json.ts'
import { toJUnit } from '../../../lib/report/junit.ts'
import { toMarkdown } from '../../../lib/report/markdown.ts'
import { toMetrics } from '../../../lib/report/metrics.ts'
import { annotations, mute } from '../../../lib/report/pipeline.ts'
import { checkLine, summary } from '../../../lib/report/terminal.ts'
import type { Report } from '../../../lib/types.ts'
import { recorded } from './recorded.ts'
import { explained, findings, HOSTILE, paths, report } from './sample.ts'
import { violations } from './schema.ts'

const NASTY = [
  ...[
    HOSTILE,
    '',
    ' ',
    '"\'`',
    ']]>',
    '<![CDATA[x]]>',
    '-->',
    '</svg></title></style></code><script>alert(1)</script>',
  ],
  ...['<img src=x onerror=alert(1)>', "' onmouseover='alert(1)", '&lt;b&gt;&#60;', 'javascript:alert(1)', '#"><b>'],
  ...[
    '\u001b[2J\u001b]8;;http://x.example\u0007x',
    '\u009b31m',
    '\r\nFAIL',
    '\u2028\u2029\u0085',
    '\ufeff\ufffe\ud800',
  ],
  ...[
    '\u202egnp.exe\u2066\u200f\u061c',
    'a'.repeat(253),
    `${'b'.repeat(63)}.`.repeat(4).slice(0, 253),
    '名'.repeat(90),
  ],
  ...['::add-mask::x', '\n::error file=x::y', '%0A::error::z', '##vso[task.complete]', '##[error]x', '##teamcity[x]'],
  ...[
    '"} 1\nevil{a="b',
    'a\\',
    '\\n',
    '\\"',
    '# HELP x',
    '| a | b |',
    '[l](http://x.example)',
    '`id`',
    '```',
    '<details>',
    '@team',
  ],
  ...['$& $1 $`', '{{x}}', '__proto__', '\t', '0', 'null'],
]
const foreign = fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary', maxLength: 40 }))

/** Words of our own: what a check is, and what a program reads. */
const OWN = new Set(
  'schema tool state verdict exitCode kind place family started finished file id check row columns confidence protocol explains findings code'.split(
    ' ',
  ),
)
/** Of tables and evidence that the picture is drawn from. */
const READ = /^(interfaces|way to the pod on another node|addresses)$/

/** The report with the next foreign text wherever a text is not of our own words. Names of checks keep their family and place. */
function filled(value: unknown, next: () => string, key = ''): unknown {
  if (OWN.has(key)) return value
  if (typeof value === 'string') {
    const named = key === 'name' && / over IPv[46]|, from the (?:node|pod)$/.exec(value)
    return named || READ.test(value) ? value : next()
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, next, key))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, next, name)]))
}

const small = (given: Report, pick: (index: number) => boolean): Report => ({
  ...given,
  results: given.results.filter((_, index) => pick(index)),
})
const BASES = [
  report(explained, { findings, verdict: 'fail', errors: [{ code: 'WORKER_DIED', message: 'x', file: 'y' }] }),
  report(paths),
  small(recorded('tunnel-unanswered'), (index) => index % 2 === 0),
  small(recorded('firewall-drops'), (index) => index % 3 === 0),
]

const hostile = fc
  .tuple(fc.constantFrom(...BASES), fc.array(foreign, { minLength: 1, maxLength: 12 }))
  .map(([base, texts]) => {
    let place = 0
    return filled(base, () => texts[place++ % texts.length] as string) as Report
  })

const CONTROL = /[^\P{Cc}\n\t]|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}|[\ufffe\uffff]/u

/** Names of all elements and attributes of a document. */
function shapeOf(text: string): { elements: Set<string>; attributes: Set<string> } {
  const [elements, attributes] = [new Set<string>(), new Set<string>()]
  const walk = ({ name, attributes: own = {}, elements: inside = [] }: ElementCompact): void => {
    if (name) elements.add(name)
    for (const one of Object.keys(own)) attributes.add(one)
    inside.forEach(walk)
  }
  walk(xml2js(text, { compact: false }) as ElementCompact)
  return { elements, attributes }
}

const pageShape = BASES.map((base) => shapeOf(toHtml(base)))
const PAGE = {
  elements: new Set([...pageShape.flatMap(({ elements }) => [...elements]), 'ol']),
  attributes: new Set(pageShape.flatMap(({ attributes }) => [...attributes])),
}
const JUNIT = new Set('testsuites testsuite testcase properties property failure error skipped system-out'.split(' '))

test('HTML: no element, attribute or link but our own', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(hostile, (given) => {
      const text = toHtml(given)
      expect(text).not.toMatch(CONTROL)
      const { elements, attributes } = shapeOf(text)
      expect([...elements].filter((name) => !PAGE.elements.has(name))).toEqual([])
      expect([...attributes].filter((name) => !PAGE.attributes.has(name))).toEqual([])
      expect([...text.matchAll(/href="(?!#check-\d+"|data:,")/g)]).toEqual([])
      expect(Buffer.byteLength(text)).toBeLessThan(300_000)
    }),
    { numRuns: 60 },
  )
})

test('JUnit: as many cases as without', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(hostile, (given) => {
      const text = toJUnit(given)
      expect(text).not.toMatch(CONTROL)
      expect([...shapeOf(text).elements].filter((name) => !JUNIT.has(name))).toEqual([])
      expect(text.match(/<testcase /g)?.length).toBeGreaterThanOrEqual(given.results.length)
      expect(text.match(/<testcase /g)?.length).toBeLessThanOrEqual(given.results.length + given.errors.length + 1)
    }),
    { numRuns: 60 },
  )
})

test('JSON: as the schema says', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(hostile, (given) => {
      const data = JSON.parse(toJson(given))
      expect(violations(data)).toEqual([])
      expect(JSON.stringify(data).replace(/\\[nt]/g, '')).not.toMatch(/\\u00|\p{Cf}/u)
    }),
    { numRuns: 60 },
  )
})

test('metrics: every line is a comment of ours or one sample of a known name', { timeout: 60_000 }, () => {
  const LINE =
    /^(?:# (?:HELP|TYPE) k8snetlook_\w+ .+|k8snetlook_\w+(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+\})? -?[\d.e+]+)$/
  fc.assert(
    fc.property(hostile, (given) => {
      const lines = toMetrics(given).split('\n').slice(0, -1)
      expect(lines.filter((line) => !LINE.test(line))).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('terminal and pipelines: nothing steers a terminal or a log service', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(hostile, (given) => {
      const lines = given.results.map((one) => checkLine(one, false))
      expect(lines.filter((line) => line.includes('\n') || CONTROL.test(line))).toEqual([])
      const told = mute([...lines, summary(given, ['reports/x'], false)].join('\n'))
      expect(told).not.toMatch(CONTROL)
      expect(told).not.toMatch(/^\s*::|##(?:vso|teamcity)?\[/m)
      for (const command of annotations(given)) expect(command).toMatch(/^::(?:error|warning) [^\n\r]*$/)
    }),
    { numRuns: 60 },
  )
})

test('Markdown: no markup, heading or mention but our own', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(hostile, (given) => {
      const text = toMarkdown(given)
      expect(text).not.toMatch(CONTROL)
      const prose = text.replace(/^```sh\n[^\n]*\n```$/gm, '').replace(/(?<!\\)`[^`\n]*`/g, '')
      expect(prose).not.toMatch(/(?<!\\)<[a-z/!]/i)
      expect(prose).not.toMatch(/(?<!\\)\]\((?!#)/)
      expect(
        prose
          .match(/^#+ .*/gm)
          ?.filter((line) => !/^#+ (?:PASS|WARN|FAIL|INCONCLUSIVE|What|Why|Warnings|Path|\d+\. |$)/.test(line)) ?? [],
      ).toEqual([])
    }),
    { numRuns: 60 },
  )
})
