import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { baselineProblem, readComparisonInput } from '../../../lib/compare/read.ts'
import { toJson } from '../../../lib/report/json.ts'
import { everything, report } from '../report/sample.ts'

const dir = mkdtempSync(join(tmpdir(), 'qu-baseline-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

let files = 0
function file(text: string, name = `${files++}.json`): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}
const sound = report(everything)
const read = (...baseline: string[]) => readComparisonInput({ baseline, knownIssues: null })
const problem = (...baseline: string[]) => read(...baseline).problems.map(({ problem: said }) => said)

test('nothing is named: nothing is read', () => {
  expect(read()).toEqual({ baselines: [], waivers: [], problems: [] })
})

test('reports are read, oldest first, whatever their order', () => {
  const [old, newer] = ['2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'].map((started) =>
    file(toJson({ ...sound, started })),
  ) as [string, string]
  const { baselines, problems } = read(newer, old)
  expect(problems).toEqual([])
  expect(baselines.map(({ started }) => started.slice(5, 7))).toEqual(['01', '02'])
})

test('of a directory every report, and nothing else that lies there', () => {
  mkdirSync(join(dir, 'before'))
  file(toJson(sound), 'before/report-n1.json')
  file(toJson({ ...sound, node: 'n2' }), 'before/report-n2.json')
  file('no JSON', 'before/other.json')
  file('<html/>', 'before/report-n1.html')
  const { baselines, problems } = read(join(dir, 'before'))
  expect(problems).toEqual([])
  expect(baselines.map(({ node }) => node).sort()).toEqual(['n1', 'n2'])
})

test.each([
  ['not JSON', 'nonsense', 'it is not JSON'],
  ['JSON of something else', '[]', 'it is no JSON report of k8snetlook'],
  ['null', 'null', 'it is no JSON report of k8snetlook'],
  ['another schema', JSON.stringify({ ...sound, schema: 2 }), 'its schema is 2, this version reads schema 1'],
  ['no results', JSON.stringify({ ...sound, results: undefined }), 'it is no whole report of schema 1'],
  ['results of another shape', JSON.stringify({ ...sound, results: [1] }), 'it is no whole report of schema 1'],
  ['a state of another shape', JSON.stringify({ ...sound, environment: [{}] }), 'it is no whole report of schema 1'],
  ['no verdict', JSON.stringify({ ...sound, verdict: 'x' }), 'it is no whole report of schema 1'],
  ['incomplete', JSON.stringify({ ...sound, state: 'incomplete' }), 'it is incomplete: that run did not end in order'],
  ['nothing answered', JSON.stringify({ ...sound, results: [] }), 'no check gave an answer in that run'],
])('%s', (_, text, said) => {
  expect(problem(file(text))).toEqual([said])
})

test('every problem of every file at once, each with its path', () => {
  mkdirSync(join(dir, 'empty'))
  const paths = [join(dir, 'missing.json'), join(dir, 'empty'), file('x'), file(toJson(sound))]
  const { problems, baselines } = read(...paths)
  expect(baselines).toHaveLength(1)
  expect(problems.map(({ variable, value, problem: said }) => [variable, value, said])).toEqual([
    ['BASELINE', paths[0], 'it does not exist'],
    ['BASELINE', paths[1], 'the directory holds no report-*.json'],
    ['BASELINE', paths[2], 'it is not JSON'],
  ])
})

test('whatever JSON a file holds, it is told or refused, never thrown', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => baselineProblem(value) !== null))
  const evidence = fc.array(fc.jsonValue())
  fc.assert(
    fc.property(evidence, (items) => {
      const results = [{ ...everything[0], evidence: items }]
      baselineProblem(JSON.parse(JSON.stringify({ ...sound, results })))
    }),
  )
})

describe('KNOWN_ISSUES', () => {
  const waivers = (knownIssues: string) => readComparisonInput({ baseline: [], knownIssues })

  test('names of checks are those of the files there', () => {
    const path = file('[{check: pod/gateway, reason: x, expires: 2030-01-31}]', 'known.yaml')
    expect(waivers(path)).toMatchObject({ problems: [], waivers: [{ check: 'gateway' }] })
  })

  test('all of its problems, and a file that is not there', () => {
    const path = file('[{check: pod/nosuch, reason: x, expires: 2030-01-31}, {check: gateway}]', 'bad.yaml')
    expect(waivers(path).problems.map(({ variable, value }) => [variable, value])).toEqual(
      Array(3).fill(['KNOWN_ISSUES', path]),
    )
    expect(waivers(join(dir, 'none')).problems).toMatchObject([{ problem: 'it does not exist' }])
  })
})
