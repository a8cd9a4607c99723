/** Reads what `nft -j list ruleset` prints (libnftables-json(5), schema version 1) as plain data. Pure. */
import type {
  FirewallChain,
  FirewallMatch,
  FirewallRule,
  FirewallSet,
  FirewallState,
  FirewallStep,
  FirewallValues,
  FirewallVerdict,
} from '../../state.ts'
import { number, object, text } from '../ip.ts'
import { BUILT_IN, type SavedRule, type SavedTable, targetSteps } from './iptables.ts'
import { entry, isObject, type Json, ruleText, valueText } from './text.ts'

/** What iptables-nft-save says about tables of this rule set, by "family table". */
export type Saved = ReadonlyMap<string, SavedTable>

interface Draft {
  readonly chain: Omit<FirewallChain, 'rules' | 'backend'>
  readonly rules: Json[]
}

/** A rule set that was decoded, its rules not yet read. */
export interface Decoded {
  readonly drafts: readonly Draft[]
  readonly sets: Readonly<Record<string, FirewallSet>>
  /** "family table" of those that iptables-nft made. */
  readonly iptables: ReadonlySet<string>
}

/**
 * The rule set, or null when the text is none. Rules keep their order, which is the kernel's. nft names the modules of
 * iptables (xt) in a rule, but not what they are asked: that is taken from `saved`, else the condition is unknown.
 */
export function parseNft(output: string, saved: Saved = new Map()): FirewallState | null {
  const decoded = decodeNft(output)
  return decoded && readRules(decoded, saved)
}

export function decodeNft(output: string): Decoded | null {
  const items = itemsOf(output)
  if (!items) return null
  const drafts = new Map<string, Draft>()
  const dormant = new Set<string>()
  const sets: Record<string, FirewallSet> = {}
  for (const item of items) {
    if (isObject(item.table) && isDormant(item.table.flags)) dormant.add(`${item.table.family} ${item.table.name}`)
    else if (isObject(item.chain)) {
      const asleep = dormant.has(`${item.chain.family} ${item.chain.table}`)
      drafts.set(keyOf(item.chain, item.chain.name), { chain: chainOf(item.chain, asleep), rules: [] })
    } else if (isObject(item.rule)) drafts.get(keyOf(item.rule, item.rule.chain))?.rules.push(item.rule)
    else if (isObject(item.set)) sets[keyOf(item.set, item.set.name)] = namedSet(item.set)
    else if (isObject(item.map)) sets[keyOf(item.map, item.map.name)] = namedSet(item.map)
  }
  const all = [...drafts.values()]
  return { drafts: all, sets, iptables: iptablesTables(all.map(({ chain }) => chain)) }
}

/** Chains at a device whose device is not told. */
export const deviceless = ({ drafts }: Decoded): boolean =>
  drafts.some(({ chain: { base } }) => (base?.hook === 'ingress' || base?.hook === 'egress') && base.devices === null)

/** The rule set with the devices that `nft list chains` prints as text: nft before 1.0.8 leaves them out of its JSON. Pure. */
export function withDevices(decoded: Decoded, chains: string): Decoded {
  const devices = devicesByChain(chains)
  const known = ({ chain, rules }: Draft): Draft => {
    const told = chain.base?.devices ?? devices.get(`${chain.family} ${chain.table} ${chain.name}`)
    return told && chain.base
      ? { chain: { ...chain, base: { ...chain.base, devices: told } }, rules }
      : { chain, rules }
  }
  return { ...decoded, drafts: decoded.drafts.map(known) }
}

/** By "family table chain": `type filter hook ingress device "eth0" priority 0;` or `devices = { eth0, eth1 }`. */
function devicesByChain(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  let [table, chain] = ['', '']
  for (const line of text.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain
    const [, one, several] = /\bhook \S+ device(?: (\S+)|s = \{([^}]*)\}) /.exec(line) ?? []
    const names = (one ?? several)?.split(',').map((name) => name.trim().replaceAll('"', ''))
    if (names) found.set(`${table} ${chain}`, names)
  }
  return found
}

export const readRules = ({ drafts, sets, iptables }: Decoded, saved: Saved): FirewallState => ({
  chains: drafts.map((draft) => finish(draft, iptables, saved)),
  sets,
  missing: null,
})

/** Tables that iptables-nft made: of its name, and with no other base chain than it makes. */
function iptablesTables(chains: readonly Omit<FirewallChain, 'rules' | 'backend'>[]): ReadonlySet<string> {
  const byTable = new Map<string, Omit<FirewallChain, 'rules' | 'backend'>[]>()
  for (const chain of chains) {
    const name = `${chain.family} ${chain.table}`
    const others = byTable.get(name)
    if (others) others.push(chain)
    else byTable.set(name, [chain])
  }
  const made = [...byTable].filter(([, [first, ...rest]]) => {
    if (!first || !['ip', 'ip6'].includes(first.family) || !(first.table in BUILT_IN)) return false
    const hooks = BUILT_IN[first.table] ?? {}
    return [first, ...rest].every(({ name, base }) => (base ? hooks[name]?.hook === base.hook : !(name in hooks)))
  })
  return new Set(made.map(([name]) => name))
}

function finish({ chain, rules }: Draft, iptables: ReadonlySet<string>, saved: Saved): FirewallChain {
  const table = `${chain.family} ${chain.table}`
  const lines = saved.get(table)?.get(chain.name)?.rules
  // Rules that changed between both readings are told by nft alone.
  const known = lines?.length === rules.length ? lines : []
  return {
    ...chain,
    backend: iptables.has(table) ? 'iptables-nft' : 'nft',
    rules: rules.map((rule, i) => ruleOf(rule, table, chain.family, known[i] ?? null)),
  }
}

function itemsOf(output: string): readonly Json[] | null {
  try {
    const value: unknown = JSON.parse(output)
    return isObject(value) && Array.isArray(value.nftables) ? value.nftables.filter(isObject) : null
  } catch {
    return null
  }
}

const keyOf = (item: Json, name: unknown) => `${item.family} ${item.table} ${name}`

/** The kernel does not call the chains of a dormant table. nft 1.0.6 prints the flag's first letter alone. */
const isDormant = (flags: unknown): boolean =>
  (Array.isArray(flags) ? flags : [flags]).some((flag) => flag === 'dormant' || flag === 'd')

function chainOf(chain: Json, asleep: boolean): Draft['chain'] {
  const hook = asleep ? null : text(chain, 'hook')
  const base = hook !== null && {
    hook,
    type: text(chain, 'type') ?? 'filter',
    priority: number(chain, 'prio') ?? 0,
    policy: chain.policy === 'drop' ? ('drop' as const) : ('accept' as const),
    devices: devicesOf(chain.dev),
  }
  const names = {
    family: text(chain, 'family') ?? '',
    table: text(chain, 'table') ?? '',
    name: text(chain, 'name') ?? '',
  }
  return { ...names, base: base || null }
}

function devicesOf(dev: unknown): readonly string[] | null {
  if (typeof dev === 'string') return [dev]
  return Array.isArray(dev) ? dev.filter((name) => typeof name === 'string') : null
}

function ruleOf(rule: Json, table: string, family: string, line: SavedRule | null): FirewallRule {
  // What nft cannot say in JSON it prints as text.
  const parts: readonly unknown[] = Array.isArray(rule.expr) ? rule.expr : []
  const expressions = parts.map((part) => (isObject(part) ? part : { [`${part}`]: null }))
  const counter = expressions.find((expression) => isObject(expression.counter))
  return {
    text: line?.text ?? ruleText(expressions, rule.comment),
    handle: number(rule, 'handle'),
    steps: expressions.flatMap((expression) => stepsOf(expression, { table, family, line })),
    packets: counter ? number(object(counter, 'counter'), 'packets') : null,
  }
}

interface Place {
  /** "family table" */
  readonly table: string
  readonly family: string
  readonly line: SavedRule | null
}

const verdict = (of: FirewallVerdict): FirewallStep => ({ kind: 'verdict', verdict: of })
const unknown = (expression: unknown): FirewallStep => ({ kind: 'unknown', text: valueText(expression) })
const is = (field: string, ...elements: readonly string[]): FirewallMatch => ({
  ...{ kind: 'match', fields: [field], mask: null, op: '==' },
  values: { elements, verdicts: null, conditional: false },
})

/** Statements that neither end a rule nor change what is asked later. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  ...['counter', 'log', 'dup', 'flow', 'secmark', 'ct helper', 'ct timeout', 'ct expectation', 'reset', 'last'],
])

function stepsOf(expression: Json, place: Place): readonly FirewallStep[] {
  const [kind, value] = entry(expression)
  const body = isObject(value) ? value : {}
  if (WITHOUT_EFFECT.has(kind)) return []
  switch (kind) {
    case 'match':
      return [matchOf(body, place) ?? unknown(expression)]
    case 'vmap':
      return [vmapOf(body, place) ?? unknown(expression)]
    case 'mangle':
      return mangleOf(body)
    case 'notrack':
      return [{ kind: 'notrack' }]
    case 'xt':
      return xtOf(body, place.line)
    case 'tproxy':
      return [...familyOf(body, place), unknown('a local proxy listens'), verdict({ kind: 'tproxy', drops: false })]
    case 'dnat':
      return [...familyOf(body, place), ...mapped(body), verdict(dnatOf(body))]
    case 'snat':
    case 'masquerade':
      return [...familyOf(body, place), ...mapped(body), verdict({ kind: 'snat' })]
    case 'redirect':
      return [...mapped(body), verdict({ kind: 'redirect', port: portOf(body.port) })]
    default: {
      const read = verdictOf(expression)
      if (read?.kind === 'reject') return [...rejectNeeds(read.with, place.family), verdict(read)]
      return [read ? verdict(read) : unknown(expression)]
    }
  }
}

/** What can also stand in a verdict map. */
function verdictOf(expression: unknown): FirewallVerdict | null {
  if (!isObject(expression)) return null
  const [kind, value] = entry(expression)
  const body = isObject(value) ? value : {}
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      return { kind }
    case 'queue':
    case 'fwd':
    case 'synproxy':
      return { kind: 'taken' }
    case 'jump':
    case 'goto':
      return { kind, chain: text(body, 'target') ?? '' }
    case 'reject':
      return { kind, with: [body.type, body.expr].filter((word) => typeof word === 'string').join(' ') }
    default:
      return null
  }
}

/** A reset answers TCP alone, an ICMP error its own family: nft asks so even where it does not print it. */
function rejectNeeds(how: string, family: string): readonly FirewallStep[] {
  if (how.startsWith('tcp reset')) return [is('meta l4proto', 'tcp')]
  if (family === 'ip' || family === 'ip6' || !/^icmp(v6)? /.test(how)) return []
  return [is('meta protocol', how.startsWith('icmpv6') ? 'ip6' : 'ip')]
}

const familyOf = (body: Json, place: Place): readonly FirewallStep[] =>
  place.family === 'inet' && typeof body.family === 'string' ? [is('meta protocol', body.family)] : []

/** An address or port that is looked up in a map: without an element the rule does not match. */
const mapped = (body: Json): readonly FirewallStep[] =>
  [body.addr, body.port].filter((part) => isObject(part) && 'map' in part).map(unknown)

const portOf = (port: unknown): number | null => (typeof port === 'number' ? port : null)

const dnatOf = (body: Json): FirewallVerdict => {
  const several = body.addr !== undefined && typeof body.addr !== 'string'
  const to = typeof body.addr === 'string' ? body.addr : null
  return { kind: 'dnat', to, port: several || isObject(body.port) ? null : portOf(body.port) }
}

function mangleOf({ key, value }: Json): readonly FirewallStep[] {
  const field = fieldOf(key)
  if (field === 'meta mark') return [{ kind: 'mark', change: changeOf(value) }]
  return field !== null && /^(ip6?|tcp|udp|th) /.test(field) ? [{ kind: 'overwrite', field }] : []
}

/** What an expression over the mark itself does to it, as (mark & and) ^ xor. */
function changeOf(value: unknown): { readonly and: number; readonly xor: number } | null {
  if (typeof value === 'number') return { and: 0, xor: value }
  if (!isObject(value)) return null
  if (fieldOf(value) === 'meta mark') return { and: 0xffffffff, xor: 0 }
  const [op, operands] = entry(value)
  if (!Array.isArray(operands) || typeof operands[1] !== 'number') return null
  const before = changeOf(operands[0])
  const operand: number = operands[1]
  if (!before) return null
  if (op === '^') return { and: before.and, xor: (before.xor ^ operand) >>> 0 }
  if (op === '&') return { and: (before.and & operand) >>> 0, xor: (before.xor & operand) >>> 0 }
  if (op === '|') return { and: (before.and & ~operand) >>> 0, xor: (before.xor | operand) >>> 0 }
  return null
}

function matchOf(body: Json, place: Place): FirewallMatch | null {
  const { left, mask } = masked(body.left)
  const fields = fieldsOf(left)
  const op = operatorOf(body.op, body.right)
  const values = valuesOf(body.right, place.table)
  return fields && op && values ? { kind: 'match', fields, mask, op, values } : null
}

function masked(left: unknown): { readonly left: unknown; readonly mask: FirewallMatch['mask'] } {
  if (!isObject(left) || !Array.isArray(left['&'])) return { left, mask: null }
  const [field, mask] = left['&']
  if (typeof mask === 'number') return { left: field, mask }
  const names = flagsOf(mask)
  return names ? { left: field, mask: names } : { left, mask: null }
}

/** Names of flags that are taken together: a list or, in newer nft, nested "|". */
function flagsOf(mask: unknown): readonly string[] | null {
  if (typeof mask === 'string') return [mask]
  const parts = isObject(mask) ? mask['|'] : mask
  const names = Array.isArray(parts) ? parts.map(flagsOf) : [null]
  return names.every((name) => name !== null) ? names.flat() : null
}

/** `in` asks for any of the flags; without an operator nft means equality. */
function operatorOf(op: unknown, right: unknown): FirewallMatch['op'] | null {
  if (op === undefined) return '=='
  if (op === 'in') return 'any'
  if (op === '!') return 'none'
  // "flags == a,b" and "state != a | b" compare with the flags taken together: kept out of what is read
  if (Array.isArray(right)) return null
  return (['==', '!=', '<', '>', '<=', '>='] as const).find((known) => known === op) ?? null
}

const fieldsOf = (left: unknown): readonly string[] | null => {
  const parts = isObject(left) && Array.isArray(left.concat) ? left.concat : [left]
  const fields = parts.map(fieldOf)
  return fields.every((field) => field !== null) ? fields : null
}

/** One field in nft's words. numgen keeps its range: "numgen 0-3" is a number from 0 to 3. */
function fieldOf(expression: unknown): string | null {
  if (!isObject(expression)) return null
  const { payload, meta, ct, fib, numgen } = expression
  if (isObject(payload)) return 'protocol' in payload ? `${payload.protocol} ${payload.field}` : null
  if (isObject(meta)) return `meta ${meta.key}`
  if (isObject(ct)) return 'dir' in ct ? null : `ct ${ct.key}`
  if (isObject(fib)) return `fib ${Array.isArray(fib.flags) ? fib.flags.join(' . ') : fib.flags} ${fib.result}`
  if (isObject(numgen) && typeof numgen.mod === 'number') {
    const offset = number(numgen, 'offset') ?? 0
    return `numgen ${offset}-${offset + numgen.mod - 1}`
  }
  return null
}

function vmapOf(body: Json, place: Place): FirewallStep | null {
  const fields = fieldsOf(body.key)
  const values = valuesOf(body.data, place.table)
  return fields && values ? { kind: 'vmap', fields, values } : null
}

function valuesOf(right: unknown, table: string): FirewallValues | null {
  if (typeof right === 'string' && right.startsWith('@')) return { set: `${table} ${right.slice(1)}` }
  if (isObject(right) && Array.isArray(right.set)) return setOf(right.set)
  const elements = Array.isArray(right) ? right : [right]
  const words = elements.map(elementOf)
  return words.every((word) => word !== null) ? { elements: words, verdicts: null, conditional: false } : null
}

const namedSet = (set: Json): FirewallSet => setOf(Array.isArray(set.elem) ? set.elem : [])

/** Beside these an element can have statements of its own (limit, quota, ct count): it then matches at times only. */
const PLAIN: ReadonlySet<string> = new Set(['val', 'timeout', 'expires', 'comment', 'counter'])

function setOf(items: readonly unknown[]): FirewallSet {
  const elements: string[] = []
  const verdicts: FirewallVerdict[] = []
  let conditional = false
  for (const item of items) {
    const [key, data] = Array.isArray(item) ? item : [item, null]
    const elem = isObject(key) && isObject(key.elem) ? key.elem : null
    const element = elementOf(elem ? elem.val : key)
    const value = data === null ? null : verdictOf(data)
    if (element === null || (elem && Object.keys(elem).some((name) => !PLAIN.has(name)))) conditional = true
    if (element === null) continue
    elements.push(element)
    if (value) verdicts.push(value)
  }
  // Maps to something else than verdicts have keys alone.
  return { elements, verdicts: verdicts.length === elements.length ? verdicts : null, conditional }
}

function elementOf(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return `${value}`
  if (!isObject(value)) return null
  if (isObject(value.prefix)) return `${value.prefix.addr}/${value.prefix.len}`
  const join = (parts: unknown, by: string) => {
    const words = Array.isArray(parts) ? parts.map(elementOf) : [null]
    return words.includes(null) ? null : words.join(by)
  }
  if ('range' in value) return join(value.range, '-')
  return 'concat' in value ? join(value.concat, ' . ') : null
}

/** A module of iptables: what it is asked stands in the saved line only. */
function xtOf({ type, name }: Json, line: SavedRule | null): readonly FirewallStep[] {
  const module = typeof name === 'string' ? name : ''
  if (module === 'comment' && type !== 'target') return []
  if (type === 'target') return line?.target ?? targetSteps(module, null)
  if (type === 'match' && module) return line?.modules.get(module) ?? [unknown(`xt match ${module}`)]
  // Older nft does not name them; the whole line then tells what this module and all others ask.
  return line ? [...line.matches, ...(line.extension ? line.target : [])] : [unknown('xt')]
}
