import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { toJson } from '../../../lib/report/json.ts'
import type { Report } from '../../../lib/types.ts'
import { everything, explained, findings, HOSTILE, paths, report, result } from './sample.ts'
import { SCHEMA, violations } from './schema.ts'

const TYPES = readFileSync(new URL('../../../lib/types.ts', import.meta.url), 'utf8')

/** Fields of an interface of lib/types.ts, and which of them must be there. */
function fieldsOf(name: string): { all: string[]; required: string[] } {
  const [, parent, body = ''] =
    new RegExp(`export interface ${name}(?: extends (\\w+))? \\{\\n([\\s\\S]*?)\\n\\}`).exec(TYPES) ?? []
  const own = [...body.matchAll(/^ {2}readonly (\w+)(\?)?:/gm)]
  const inherited = parent ? fieldsOf(parent) : { all: [], required: [] }
  return {
    all: [...inherited.all, ...own.map(([, field]) => field ?? '')].sort(),
    required: [...inherited.required, ...own.flatMap(([, field, optional]) => (optional ? [] : [field ?? '']))].sort(),
  }
}

test.each([
  ['Report', SCHEMA],
  ['Result', SCHEMA.$defs?.result],
  ['Finding', SCHEMA.$defs?.finding],
  ['Target', SCHEMA.$defs?.target],
  ['Answer', SCHEMA.$defs?.answer],
  ['Hop', SCHEMA.$defs?.hop],
  ['PathMtuFigures', SCHEMA.$defs?.pathMtuFigures],
  ['RunError', SCHEMA.$defs?.runError],
  ['StateFact', SCHEMA.$defs?.stateFact],
  ['Comparison', SCHEMA.$defs?.comparison],
  ['BaselineRun', SCHEMA.$defs?.baselineRun],
  ['Change', SCHEMA.$defs?.change],
  ['Before', SCHEMA.$defs?.before],
  ['Worsening', SCHEMA.$defs?.worsening],
  ['StateChange', SCHEMA.$defs?.stateChange],
  ['ClusterPart', SCHEMA.$defs?.clusterPart],
  ['NodeRun', SCHEMA.$defs?.nodeRun],
  ['NodePair', SCHEMA.$defs?.nodePair],
  ['NodeDifference', SCHEMA.$defs?.nodeDifference],
] as const)('%s has the fields of its type, and the same ones are required', (name, schema) => {
  const { all, required } = fieldsOf(name)
  expect(all.length).toBeGreaterThan(2)
  expect(Object.keys(schema?.properties ?? {}).sort()).toEqual(all)
  expect([...(schema?.required ?? [])].sort()).toEqual(required)
})

const read = (given: Report): unknown => JSON.parse(toJson(given))

describe('the schema', () => {
  test.each<[string, Report]>([
    ['every verdict and measured paths', report([...everything, ...paths])],
    ['findings', report(explained, { findings })],
    ['an unfinished run', report([], { state: 'incomplete', finished: null, source: null, clusterUid: null })],
    ['what broke around the checks', report([], { errors: [{ code: 'WORKER_DIED', message: HOSTILE, file: 'x' }] })],
    [
      'answers of each target',
      report([
        result('checks/pod/x.test.ts', 'x', {
          verdict: 'fail',
          code: 'UNREACHABLE',
          answers: [
            {
              target: { role: 'a', name: 'b', address: '192.0.2.1', family: 4, protocol: 'tcp', port: 80 },
              code: 'UNREACHABLE',
              said: 'no answer',
              ms: null,
              resent: true,
            },
          ],
        }),
      ]),
    ],
  ])('holds for %s', (_, given) => {
    expect(violations(read(given))).toEqual([])
  })

  test.each<[string, (data: Record<string, unknown>) => unknown]>([
    ['a field that it does not name', (data) => ({ ...data, extra: 1 })],
    ['a field that is missing', ({ runId, ...rest }) => rest],
    ['a code in small letters', (data) => ({ ...data, errors: [{ code: 'x', message: 'y' }] })],
    ['evidence of no known kind', (data) => ({ ...data, findings: [{ ...findings[0], evidence: [{ kind: 'x' }] }] })],
  ])('refuses %s', (_, changed) => {
    expect(violations(changed(read(report(everything)) as Record<string, unknown>))).not.toEqual([])
  })
})
