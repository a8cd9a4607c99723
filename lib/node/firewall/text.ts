/** Expressions of nft's JSON in nft's words: what a person finds in `nft list ruleset`. Pure. */

import { isObject as isAnyObject } from '../ip.ts'

type Key =
  | ('chain' | 'rule' | 'set' | 'map' | 'family' | 'table' | 'name' | 'handle' | 'hook' | 'prio' | 'policy' | 'dev')
  | ('elem' | 'val' | 'comment' | 'nftables' | 'expr' | 'counter' | 'match' | 'left' | 'right' | 'op' | 'key' | 'data')
  | ('value' | 'payload' | 'meta' | 'ct' | 'fib' | 'numgen' | 'protocol' | 'field' | 'dir' | 'flags' | 'result' | 'mod')
  | ('mode' | 'addr' | 'len' | 'port' | 'prefix' | 'range' | 'concat' | 'target' | 'type' | 'base' | 'offset' | 'rate')
  | ('per' | 'inv' | '&' | '|')

/** An object of nft's JSON: any of its fields may be anything. */
export type Json = { readonly [key in Key]?: unknown } & Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Json => isAnyObject(value)

/** Its one field: nft names what an object is by that. */
export function entry(value: Json): readonly [string, unknown] {
  for (const key in value) return [key, value[key]]
  return ['', null]
}

/** A whole rule, without its counter. */
export function ruleText(expressions: readonly unknown[], comment: unknown): string {
  const words = expressions.filter(isObject).map(statementText).filter(Boolean)
  return [...words, ...(typeof comment === 'string' ? [`comment "${comment}"`] : [])].join(' ')
}

function statementText(statement: Json): string {
  const [kind, value] = entry(statement)
  const body = isObject(value) ? value : {}
  switch (kind) {
    case 'match':
      return `${valueText(body.left)}${operator(body)} ${valueText(body.right)}`
    case 'vmap':
      return `${valueText(body.key)} vmap ${valueText(body.data)}`
    case 'counter':
      return ''
    case 'jump':
    case 'goto':
      return `${kind} ${body.target}`
    case 'reject':
      return rejectText(body)
    case 'mangle':
      return `${valueText(body.key)} set ${valueText(body.value)}`
    case 'limit':
      return `limit rate${body.inv === true ? ' over' : ''} ${body.rate}/${body.per}`
    case 'log':
      return `log${typeof body.prefix === 'string' ? ` prefix "${body.prefix}"` : ''}`
    case 'dnat':
    case 'snat':
    case 'redirect':
    case 'masquerade':
    case 'tproxy':
      return natText(kind, body)
    case 'xt':
      return `xt ${body.type ?? ''} ${body.name ?? ''}`.trim()
    default:
      return value === null ? kind : `${kind} ${valueText(value)}`
  }
}

function operator({ op, left }: Json): string {
  if (op === '==') return isObject(left) && '&' in left ? ' ==' : ''
  return op === 'in' || op === undefined ? '' : ` ${op}`
}

/** nft leaves out what it would do anyway. */
function rejectText({ type, expr }: Json): string {
  if (typeof type !== 'string' || (expr === 'port-unreachable' && type === 'icmpx')) return 'reject'
  return `reject with ${type}${typeof expr === 'string' ? ` ${expr}` : ''}`
}

function natText(kind: string, { family, addr, port }: Json): string {
  const address = addr === undefined ? '' : valueText(addr)
  const bracketed = port !== undefined && address.includes(':') && !address.includes(' ') ? `[${address}]` : address
  const to = `${bracketed}${port === undefined ? '' : `:${valueText(port)}`}`
  return [kind, ...(typeof family === 'string' ? [family] : []), ...(to ? ['to', to] : [])].join(' ')
}

/** A value, a field, or something that is reckoned from them. */
export function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(',')
  if (!isObject(value)) return String(value)
  const [kind, body] = entry(value)
  if (Array.isArray(body)) {
    if (kind === 'concat') return body.map(valueText).join(' . ')
    if (kind === 'range') return body.map(valueText).join('-')
    if (kind === 'set') return `{ ${body.map(elementText).join(', ')} }`
    return body.map(valueText).join(` ${kind} `)
  }
  return isObject(body) ? fieldText(kind, body) : `${kind} ${valueText(body)}`
}

const elementText = (element: unknown): string =>
  Array.isArray(element) && element.length === 2
    ? `${valueText(element[0])} : ${isObject(element[1]) ? mapValueText(element[1]) : valueText(element[1])}`
    : valueText(element)

const mapValueText = (value: Json): string =>
  ['concat', 'range', 'prefix'].includes(entry(value)[0]) ? valueText(value) : statementText(value)

/** Keys of `meta` that nft prints alone. */
const BARE_META: ReadonlySet<unknown> = new Set(['iif', 'oif', 'iifname', 'oifname', 'skuid', 'skgid'])

function fieldText(kind: string, body: Json): string {
  switch (kind) {
    case 'payload':
      return 'base' in body ? `@${body.base},${body.offset},${body.len}` : `${body.protocol} ${body.field}`
    case 'meta':
      return BARE_META.has(body.key) ? `${body.key}` : `meta ${body.key}`
    case 'ct':
      return ['ct', ...(typeof body.dir === 'string' ? [body.dir] : []), body.key].join(' ')
    case 'prefix':
      return `${valueText(body.addr)}/${body.len}`
    case 'elem':
      return valueText(body.val)
    case 'fib':
      return `fib ${Array.isArray(body.flags) ? body.flags.join(' . ') : body.flags} ${body.result}`
    case 'numgen':
      return `numgen ${body.mode} mod ${body.mod}`
    case 'jhash':
      return `jhash ${valueText(body.expr)} mod ${body.mod}`
    case 'map':
      return `${valueText(body.key)} map ${valueText(body.data)}`
    default:
      return [kind, ...Object.values(body).map(valueText)].join(' ')
  }
}
