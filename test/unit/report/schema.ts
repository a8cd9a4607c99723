/** The published schema, closed: what it does not name is refused, so that a new field cannot be forgotten there. */
import { readFileSync } from 'node:fs'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'

type Definition =
  | ('result' | 'finding' | 'target' | 'answer' | 'hop' | 'pathMtuFigures' | 'runError')
  | ('stateFact' | 'comparison' | 'baselineRun' | 'change' | 'before' | 'worsening' | 'stateChange')
  | ('clusterPart' | 'nodeRun' | 'nodePair' | 'nodeDifference')

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly $defs?: Readonly<Partial<Record<Definition, Schema>>>
}

export const SCHEMA: Schema = JSON.parse(
  readFileSync(new URL('../../../schema/report-1.schema.json', import.meta.url), 'utf8'),
)

const closed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(closed)
  if (value === null || typeof value !== 'object') return value
  const inside = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, closed(item)]))
  return 'required' in inside ? { ...inside, additionalProperties: false } : inside
}

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true })
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const validate = ajv.compile(closed(SCHEMA) as object)

/** Where a report is not as the schema says: "/results/0/evidence/1 must ..."; empty when it is. */
export function violations(report: unknown): string[] {
  validate(report)
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }: ErrorObject) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  )
}
