/** JUnit files as their consumers read them: the schema by xmllint, and other people's parsers, compared with our model. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'test-results-parser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { xml2js as compactXml } from 'xml-js'
import { parseStringPromise } from 'xml2js'
import { toJUnit, toMergedJUnit } from '../../lib/report/junit.ts'
import { settled } from '../../lib/report/model.ts'
import type { Report, Result } from '../../lib/types.ts'
import { everything, HOSTILE, paths, report, result } from '../unit/report/sample.ts'
import { clusterReport } from '../unit/report/sample-cluster.ts'
import { whole } from '../unit/report/sample-comparison.ts'
import { junit2html, type ReadCase, type ReadSuite, readJUnit } from './python.ts'

const SCHEMA = fileURLToPath(new URL('../fixtures/junit/jenkins-junit.xsd', import.meta.url))

const hostile = result('checks/pod/x.test.ts', HOSTILE, {
  verdict: 'fail',
  code: 'UNREACHABLE',
  seen: HOSTILE,
  hint: HOSTILE,
  evidence: [
    { kind: 'scalar', name: HOSTILE, value: HOSTILE, unit: HOSTILE },
    { kind: 'table', name: HOSTILE, columns: [HOSTILE], rows: [[HOSTILE], ['x'.repeat(253)]] },
  ],
})
const skipped = result('checks/pod/y.test.ts', 'y', { verdict: 'not-applicable', seen: HOSTILE })

const full = report([...everything, ...paths], { node: 'n1' })
const REPORTS: Readonly<Record<string, string>> = {
  'every verdict': toJUnit(full, { attachment: 'reports/report-n1.html' }),
  'hostile names': toJUnit(report([hostile, skipped], { node: HOSTILE })),
  'an unfinished run': toJUnit(report(everything.slice(0, 2), { state: 'incomplete', finished: null })),
  'nothing answered': toJUnit(report([])),
  'beside an earlier run': toJUnit(whole),
  'all nodes': toJUnit(
    await clusterReport({
      ...{ nodes: 4, fault: ({ to }) => (to === 'n2' ? 'UNREACHABLE' : null) },
      silent: { n3: { code: 'NODE_TIMED_OUT', reason: HOSTILE, hint: HOSTILE } },
    }),
  ),
  'two nodes': toMergedJUnit([full, report([...everything, hostile], { node: 'n2.example' })]),
}

let dir: string
const fileOf = (name: string) => join(dir, `${name.replaceAll(' ', '-')}.xml`)
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'contract-'))
  for (const [name, xml] of Object.entries(REPORTS)) writeFileSync(fileOf(name), xml)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** The schema with what GitLab and the GitHub actions (file), TestRail and Allure (properties), and newer schemas (skipped) read. */
function schema(): string {
  const added = [
    ['<xs:element name="skipped" type="xs:string"/>', ''],
    [
      '<xs:element name="failure">',
      '<xs:element name="skipped"><xs:complexType mixed="true"><xs:attribute name="message" type="xs:string"/></xs:complexType></xs:element><xs:element name="failure">',
    ],
    [
      '<xs:element ref="skipped" minOccurs="0" maxOccurs="1"/>',
      '<xs:element ref="properties" minOccurs="0" maxOccurs="1"/><xs:element ref="skipped" minOccurs="0" maxOccurs="1"/>',
    ],
    [
      '<xs:attribute name="assertions" type="xs:string" use="optional"/>',
      '<xs:attribute name="file" type="xs:string"/><xs:attribute name="assertions" type="xs:string" use="optional"/>',
    ],
  ] as const
  return added.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`the schema does not say ${from}`)
      return text.replace(from, to)
    },
    readFileSync(SCHEMA, 'utf8'),
  )
}

test.each(Object.keys(REPORTS))('%s: valid by the schema of Jenkins', (name) => {
  const path = join(dir, 'schema.xsd')
  writeFileSync(path, schema())
  execFileSync('xmllint', ['--noout', '--schema', path, fileOf(name)], { stdio: 'pipe' })
})

test('the schema refuses what it does not know', () => {
  const path = join(dir, 'schema.xsd')
  const bad = join(dir, 'bad.xml')
  writeFileSync(path, schema())
  writeFileSync(bad, REPORTS['every verdict']?.replace('<failure ', '<broken/><failure ') ?? '')
  expect(() => execFileSync('xmllint', ['--noout', '--schema', path, bad], { stdio: 'pipe' })).toThrow(/broken/)
})

const expectedOf = ({ results }: Report) => {
  const count = (...verdicts: Result['verdict'][]) => results.filter(({ verdict }) => verdicts.includes(verdict)).length
  // one more case: the run itself
  return {
    total: results.length + 1,
    failures: count('fail'),
    errors: count('inconclusive'),
    skipped: count('not-applicable'),
    passed: count('pass', 'warn') + 1,
  }
}

test('junitparser: a known failure is skipped with its reason, a new one fails', () => {
  const cases = readJUnit(fileOf('beside an earlier run')).flatMap(({ cases: own }) => own)
  const kinds = cases.map(({ name, results }) => [name, results.map(({ kind }) => kind).join()])
  expect(Object.fromEntries(kinds)).toEqual({
    'fails anew, from the pod': 'Failure',
    'fails as before, from the pod': 'Skipped',
    'fails and is waived, from the pod': 'Skipped',
    'passes again, from the pod': '',
    'passes, from the pod': '',
    'nothing is worse than before': 'Failure',
    'the run ended in order': '',
  })
  const waived = cases.find(({ name }) => name.startsWith('fails and is waived'))
  expect(waived?.results[0]?.message).toMatch(/^known: LINK_DOWN: .*waived until 2026-06-30, ticket 4711/)
})

describe('junitparser', () => {
  let suites: readonly ReadSuite[]
  beforeAll(() => {
    suites = readJUnit(fileOf('every verdict'))
  })
  const casesOf = () => suites.flatMap(({ cases }) => cases)
  const find = (wanted: Result): ReadCase => {
    const found = casesOf().find(({ name }) => name === wanted.name)
    if (!found) throw new Error(`${wanted.name} is not read`)
    return found
  }

  test('reads suites with host, UTC time and counts', () => {
    const [node, pod, run] = suites
    expect(node).toMatchObject({ name: 'k8snetlook.node', hostname: 'n1', timestamp: '2026-03-04T03:07:21.123Z' })
    expect(run).toMatchObject({ name: 'run', counts: [1, 0, 0, 0] })
    const sum = [node, pod, run].reduce((all, suite) => all.map((n, i) => n + (suite?.counts[i] ?? 0)), [0, 0, 0, 0])
    const { total, failures, errors, skipped } = expectedOf(full)
    expect(sum).toEqual([total, failures, errors, skipped])
  })

  test.each(settled(full).results)('reads "$name" as it is ($verdict)', (wanted) => {
    const kinds = { fail: ['Failure'], inconclusive: ['Error'], 'not-applicable': ['Skipped'], pass: [], warn: [] }
    const found = find(wanted)
    expect(found.classname).toBe(
      `k8snetlook.${wanted.place}.${wanted.file.replace(/^.*\//, '').replace('.test.ts', '')}`,
    )
    expect(found.time).toBeCloseTo(wanted.seconds, 3)
    expect(found.results.map(({ kind }) => kind)).toEqual(kinds[wanted.verdict])
    for (const { text, message, type, kind } of found.results) {
      expect(message).toBe(wanted.seen)
      expect(text).toContain(wanted.seen)
      if (kind !== 'Skipped') expect(type).toBe(wanted.code)
    }
    expect(found.properties.verdict).toBe(wanted.verdict)
  })

  test('reads evidence as plain numbers, the unit in the name', () => {
    const failed = find(everything[0] as Result)
    expect(failed.properties).toMatchObject({
      'evidence.promised [bytes]': '1450',
      'evidence.largest that arrived [bytes]': '1400',
      'evidence.round trip.avg [ms]': '0.347',
      'evidence.round trip.samples': '3',
    })
    expect(find(paths[1] as Result).properties).toMatchObject({
      'evidence.path.promised [bytes]': '1450',
      'evidence.path.measured [bytes]': '1280',
      'evidence.path.signalled by': '2001:db8:1234:5678:9abc:def0:1234:5678',
    })
  })

  test('reads the attachment of a failure, and none of another case', () => {
    const out = casesOf().filter((one) => one.out?.includes('[[ATTACHMENT|reports/report-n1.html]]'))
    expect(out.length).toBe(expectedOf(full).failures)
    expect(out.every(({ results }) => results[0]?.kind === 'Failure')).toBe(true)
  })

  test('of two nodes no case is lost, and each is known by suite, class and name', () => {
    const merged = readJUnit(fileOf('two nodes'))
    const keys = merged.flatMap(({ name, cases }) => cases.map((one) => [name, one.classname, one.name].join('\n')))
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.length).toBe(full.results.length + 1 + everything.length + 2)
    expect(merged.map(({ name }) => name)).toEqual([
      'k8snetlook.n1.node',
      'k8snetlook.n1.pod',
      'k8snetlook.n1.run',
      'k8snetlook.n2_example.node',
      'k8snetlook.n2_example.pod',
      'k8snetlook.n2_example.run',
    ])
    expect(merged.map(({ hostname }) => hostname)).toEqual(['n1', 'n1', 'n1', ...Array(3).fill('n2.example')])
  })
})

interface Element {
  readonly $: { readonly name?: string; readonly time?: string }
  readonly testsuite?: readonly Element[]
  readonly testcase?: readonly Element[]
  readonly failure?: readonly { readonly _: string }[]
  readonly error?: readonly { readonly _: string }[]
  readonly skipped?: readonly unknown[]
}

test('xml2js, the parser of dorny/test-reporter: names, times and the text of each failure', async () => {
  const root = ((await parseStringPromise(REPORTS['every verdict'] ?? '')) as { testsuites: Element }).testsuites
  const suites = root.testsuite ?? []
  const cases = suites.flatMap(({ testcase = [] }) => testcase)
  expect(suites.map(({ $ }) => $.name)).toEqual(['k8snetlook.node', 'k8snetlook.pod', 'run'])
  for (const { $ } of [root, ...suites, ...cases]) expect(Number.parseFloat($.time ?? '')).not.toBeNaN()
  const failed = cases.filter(({ failure, error }) => failure || error)
  const { failures, errors } = expectedOf(full)
  expect(failed.length).toBe(failures + errors)
  for (const { failure, error } of failed) expect((failure ?? error)?.[0]?._).toMatch(/^[A-Z_]+: /)
  expect(cases.filter(({ failure, error, skipped }) => !failure && !error && skipped).length).toBe(
    expectedOf(full).skipped,
  )
})

test('xml-js, the parser of mikepenz/action-junit-report: file, message and text of each failure', () => {
  interface Compact {
    readonly _attributes: { readonly file?: string; readonly classname?: string; readonly name?: string }
    readonly failure?: { readonly _attributes: { readonly message: string }; readonly _cdata: string }
  }
  const root = compactXml(REPORTS['every verdict'] ?? '', { compact: true }) as {
    testsuites: { testsuite: { testcase: Compact | Compact[] }[] }
  }
  const cases = root.testsuites.testsuite.flatMap(({ testcase }) => testcase)
  const failed = cases.filter(({ failure }) => failure)
  expect(failed.map(({ _attributes }) => _attributes.file)).toContain('checks/pod/endpoints-tcp.test.ts')
  expect(failed.every(({ failure }) => failure?._cdata.includes(failure._attributes.message))).toBe(true)
  const keys = cases.map(({ _attributes: a }) => [a.file, a.classname, a.name].join('\n'))
  expect(new Set(keys).size).toBe(keys.length)
})

test.each(['every verdict', 'hostile names', 'two nodes'])('test-results-parser counts %s as we do', (name) => {
  const { suites } = parse({ type: 'junit', files: [fileOf(name)] })
  const cases = suites.flatMap((suite) => suite.cases)
  const count = (status: string) => cases.filter((one) => one.status === status).length
  expect(cases.length).toBe(REPORTS[name]?.match(/<testcase /g)?.length)
  if (name !== 'every verdict') return
  const { failures, errors, skipped, passed } = expectedOf(full)
  expect([count('FAIL'), count('SKIP'), count('PASS')]).toEqual([failures + errors, skipped, passed])
})

test('junit2html shows every case and what was seen', () => {
  const page = join(dir, 'page.html')
  junit2html(fileOf('every verdict'), page)
  const html = readFileSync(page, 'utf8')
  for (const { name, verdict, seen } of full.results) {
    expect(html).toContain(name)
    if (verdict === 'fail') expect(html).toContain(seen)
  }
})
