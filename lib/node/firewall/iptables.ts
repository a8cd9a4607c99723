/** Reads what iptables-save and ip6tables-save print, of both back ends (iptables-save(8), iptables-extensions(8)). Pure. */
import type { FirewallChain, FirewallMatch, FirewallStep } from '../../state.ts'

/** A table of names that is asked for any word: what every object has ("constructor") is not in it. */
const named = <T>(entries: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
  Object.assign(Object.create(null), entries)

/** The built-in chains of each table, with hook and priority (include/uapi/linux/netfilter_ipv4.h). */
export const BUILT_IN: Readonly<Record<string, Readonly<Record<string, { hook: string; priority: number }>>>> = named({
  raw: hooks(['PREROUTING', -300], ['OUTPUT', -300]),
  mangle: hooks(['PREROUTING', -150], ['INPUT', -150], ['FORWARD', -150], ['OUTPUT', -150], ['POSTROUTING', -150]),
  nat: hooks(['PREROUTING', -100], ['INPUT', 100], ['OUTPUT', -100], ['POSTROUTING', 100]),
  filter: hooks(['INPUT', 0], ['FORWARD', 0], ['OUTPUT', 0]),
  security: hooks(['INPUT', 50], ['FORWARD', 50], ['OUTPUT', 50]),
})

function hooks(...chains: readonly (readonly [string, number])[]) {
  return named(Object.fromEntries(chains.map(([name, priority]) => [name, { hook: name.toLowerCase(), priority }])))
}

export interface SavedRule {
  /** What stands behind "-A CHAIN". */
  readonly text: string
  readonly packets: number | null
  /** All conditions, in order. */
  readonly matches: readonly FirewallStep[]
  /** Conditions of each module, by its name in the kernel. */
  readonly modules: ReadonlyMap<string, readonly FirewallStep[]>
  readonly target: readonly FirewallStep[]
  /** The target is a module: neither a chain nor ACCEPT, DROP or RETURN. */
  readonly extension: boolean
}

export interface SavedChain {
  /** null: of a user's chain. */
  readonly policy: 'accept' | 'drop' | null
  readonly rules: readonly SavedRule[]
}

/** By name of the chain. */
export type SavedTable = ReadonlyMap<string, SavedChain>

/** The chains of iptables' old back end, from `iptables-legacy-save` (ip) or `ip6tables-legacy-save` (ip6). */
export function parseIptablesSave(output: string, family: 'ip' | 'ip6'): readonly FirewallChain[] {
  return [...readSaved(output, family)].flatMap(([table, chains]) =>
    [...chains].map(([name, { policy, rules }]): FirewallChain => {
      const place = BUILT_IN[table]?.[name]
      return {
        ...{ backend: 'iptables-legacy', family, table, name },
        base: place
          ? { ...place, type: table === 'nat' ? 'nat' : 'filter', policy: policy ?? 'accept', devices: null }
          : null,
        rules: rules.map(({ text, packets, matches, target }) => ({
          ...{ text, handle: null, packets },
          steps: [...matches, ...target],
        })),
      }
    }),
  )
}

/** Every table of the text, as written. */
export function readSaved(output: string, family: 'ip' | 'ip6'): ReadonlyMap<string, SavedTable> {
  const tables = new Map<string, Map<string, { policy: SavedChain['policy']; rules: SavedRule[] }>>()
  let chains = new Map<string, { policy: SavedChain['policy']; rules: SavedRule[] }>()
  for (const line of output.split('\n')) {
    if (line.startsWith('*')) {
      chains = new Map()
      tables.set(line.slice(1).trim(), chains)
    } else if (line.startsWith(':')) {
      const [name = '', policy] = line.slice(1).split(' ')
      chains.set(name, { policy: policy === '-' ? null : policy === 'DROP' ? 'drop' : 'accept', rules: [] })
    } else {
      const rule = /^(?:\[(\d+):\d+\] )?-A (\S+)(?: (.*))?$/.exec(line)
      if (rule) chains.get(rule[2] ?? '')?.rules.push(readRule(rule[3] ?? '', rule[1], family))
    }
  }
  return tables
}

function readRule(text: string, packets: string | undefined, family: 'ip' | 'ip6'): SavedRule {
  const reader = new Reader(wordsOf(text), family)
  reader.read()
  return {
    ...{ text, packets: packets === undefined ? null : Number(packets) },
    matches: [...reader.modules.values()].flat(),
    modules: reader.modules,
    target: reader.target,
    extension: reader.extension,
  }
}

/** Words as a shell would split them: iptables quotes what has blanks, and escapes quotes inside. */
function wordsOf(text: string): readonly string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, bare]) => quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '',
  )
}

/** Modules whose condition is written by the options below, by option: field and how its value is read. */
const OPTIONS: Readonly<Record<string, readonly [module: string, field: string]>> = named({
  '-i': ['', 'meta iifname'],
  '-o': ['', 'meta oifname'],
  '-p': ['', 'meta l4proto'],
  '--sport': ['ports', 'th sport'],
  '--dport': ['ports', 'th dport'],
  '--sports': ['multiport', 'th sport'],
  '--dports': ['multiport', 'th dport'],
  '--icmp-type': ['icmp', 'icmp type'],
  '--icmpv6-type': ['icmp6', 'icmpv6 type'],
  '--mark': ['mark', 'meta mark'],
  '--ctstate': ['conntrack', 'xt ctstate'],
  '--state': ['conntrack', 'xt ctstate'],
  '--src-type': ['addrtype', 'fib saddr type'],
  '--dst-type': ['addrtype', 'fib daddr type'],
  '--length': ['length', 'meta length'],
  '--tcp-flags': ['tcp', 'tcp flags'],
})

/** What a module is called in the kernel, where iptables calls it otherwise. */
const KERNEL_NAME: Readonly<Record<string, string>> = named({ state: 'conntrack', icmpv6: 'icmp6' })

const TERMINAL = new Set(['ACCEPT', 'DROP', 'RETURN'])

class Reader {
  readonly modules = new Map<string, FirewallStep[]>([['', []]])
  target: readonly FirewallStep[] = []
  extension = false
  #module = ''
  #at = 0

  readonly words: readonly string[]
  readonly family: 'ip' | 'ip6'

  constructor(words: readonly string[], family: 'ip' | 'ip6') {
    this.words = words
    this.family = family
  }

  read(): void {
    while (this.#at < this.words.length) {
      const negated = this.#word() === '!'
      if (negated) this.#at += 1
      this.#option(this.#take(), negated)
    }
  }

  #word = () => this.words[this.#at] ?? ''
  #take(): string {
    this.#at += 1
    return this.words[this.#at - 1] ?? ''
  }

  /** Everything up to the next option: what an option that is not understood may have taken. */
  #rest(): readonly string[] {
    const rest: string[] = []
    while (this.#at < this.words.length && !this.#word().startsWith('-') && this.#word() !== '!')
      rest.push(this.#take())
    return rest
  }

  #add(module: string, ...steps: readonly FirewallStep[]): void {
    const known = this.modules.get(module)
    if (known) known.push(...steps)
    else this.modules.set(module, [...steps])
  }

  #option(option: string, negated: boolean): void {
    if (option === '-m') this.#enter(this.#take())
    else if (option === '-j' || option === '-g') this.#to(option, this.#take())
    else if (option === '-s' || option === '-d') this.#add('', this.#address(option, negated))
    else if (option === '--comment') this.#take()
    else this.#condition(option, negated)
  }

  #condition(option: string, negated: boolean): void {
    const [, field] = OPTIONS[option] ?? []
    const value = field === undefined ? null : this.#value(option, field, negated)
    if (value) this.#add(option.startsWith('--') ? this.#module : '', value)
    else this.#add(this.#module, { kind: 'unknown', text: [option, ...this.#rest()].join(' ') })
  }

  #enter(name: string): void {
    this.#module = KERNEL_NAME[name] ?? name
    this.#add(this.#module)
    // Modules without an option that could be understood: each has at least one that cannot.
    if (name === 'set' || name === 'statistic' || name === 'limit' || name === 'socket' || name === 'rpfilter') {
      this.#add(this.#module, { kind: 'unknown', text: `-m ${name}` })
    }
  }

  #address(option: string, negated: boolean): FirewallMatch {
    const field = `${this.family} ${option === '-s' ? 'saddr' : 'daddr'}`
    return match(field, negated ? '!=' : '==', this.#take().split(','))
  }

  #value(option: string, field: string, negated: boolean): FirewallStep | null {
    const op = negated ? '!=' : '=='
    const word = this.#take()
    if (option === '-i' || option === '-o') return match(field, op, [word.replace(/\+$/, '*')])
    if (option === '-p') return word === 'all' ? null : match(field, op, [word])
    if (option === '--mark') return this.#mark(word, op)
    if (option === '--tcp-flags') return flags(word, this.#take(), op)
    if (option === '--ctstate' || option === '--state') return match(field, negated ? 'none' : 'any', lower(word))
    if (field.startsWith('fib '))
      return this.words.some((other) => other.startsWith('--limit-iface')) ? null : match(field, op, lower(word))
    if (option === '--icmp-type' || option === '--icmpv6-type')
      return /^(any|\d+)$/.test(word) ? match(field, op, [word === 'any' ? '0-255' : word]) : null
    return match(field, op, ranges(word))
  }

  #mark(word: string, op: '==' | '!='): FirewallMatch {
    const [value = '', mask] = word.split('/')
    return { ...match('meta mark', op, [`${Number(value)}`]), mask: mask === undefined ? null : Number(mask) }
  }

  #to(option: string, name: string): void {
    const options = this.words.slice(this.#at)
    this.#at = this.words.length
    this.extension = name in TARGETS && !TERMINAL.has(name)
    if (option === '-g') this.target = [{ kind: 'verdict', verdict: { kind: 'goto', chain: name } }]
    else this.target = targetSteps(name, options)
  }
}

const lower = (word: string): readonly string[] => word.toLowerCase().split(',')

/** Ranges are "1024:65535" in iptables, and open at either end. */
const ranges = (word: string): readonly string[] =>
  word.split(',').map((part) => {
    if (!part.includes(':')) return part
    const [from, to] = part.split(':')
    return `${from || 0}-${to || 65535}`
  })

function match(field: string, op: FirewallMatch['op'], elements: readonly string[]): FirewallMatch {
  return { kind: 'match', fields: [field], mask: null, op, values: { elements, verdicts: null, conditional: false } }
}

/** "--tcp-flags SYN,RST SYN": of the first those of the second are set, and no other. */
function flags(mask: string, set: string, op: '==' | '!='): FirewallStep | null {
  if (mask === 'ALL' || mask === 'NONE' || set === 'ALL' || set.includes(',')) return null
  return { ...match('tcp flags', op, [set === 'NONE' ? '0' : set.toLowerCase()]), mask: lower(mask) }
}

const verdict = (of: Extract<FirewallStep, { kind: 'verdict' }>['verdict']): FirewallStep => ({
  kind: 'verdict',
  verdict: of,
})

type Target = (options: readonly string[] | null) => readonly FirewallStep[]
const nothing: Target = () => []
const optionOf = (options: readonly string[] | null, name: string): string | undefined =>
  options?.[options.indexOf(name) + 1 || options.length]

const TARGETS: Readonly<Record<string, Target>> = named({
  ACCEPT: () => [verdict({ kind: 'accept' })],
  DROP: () => [verdict({ kind: 'drop' })],
  RETURN: () => [verdict({ kind: 'return' })],
  REJECT: (options) => [verdict({ kind: 'reject', with: optionOf(options, '--reject-with') ?? '' })],
  DNAT: (options) => [verdict(destination(optionOf(options, '--to-destination')))],
  REDIRECT: (options) => {
    const port = optionOf(options, '--to-ports')
    // Without the options it is not known whether there is a port.
    if (options === null || (port !== undefined && !/^\d+$/.test(port)))
      return [verdict({ kind: 'dnat', to: null, port: null })]
    return [verdict({ kind: 'redirect', port: port === undefined ? null : Number(port) })]
  },
  SNAT: () => [verdict({ kind: 'snat' })],
  MASQUERADE: () => [verdict({ kind: 'snat' })],
  NETMAP: () => [verdict({ kind: 'dnat', to: null, port: null })],
  MARK: (options) => [{ kind: 'mark', change: markChange(options) }],
  HMARK: () => [{ kind: 'mark', change: null }],
  CONNMARK: (options) =>
    options?.some((word) => /^--(set|save|and|or|xor)/.test(word)) ? [] : [{ kind: 'mark', change: null }],
  CT: (options) =>
    options === null
      ? [{ kind: 'unknown', text: '-j CT' }]
      : options.includes('--notrack')
        ? [{ kind: 'notrack' }]
        : [],
  NOTRACK: () => [{ kind: 'notrack' }],
  TPROXY: () => [verdict({ kind: 'tproxy', drops: true })],
  QUEUE: () => [verdict({ kind: 'taken' })],
  NFQUEUE: () => [verdict({ kind: 'taken' })],
  SYNPROXY: () => [verdict({ kind: 'taken' })],
  ...Object.fromEntries(
    [
      'LOG',
      'NFLOG',
      'ULOG',
      'TCPMSS',
      'TCPOPTSTRIP',
      'TRACE',
      'AUDIT',
      'CLASSIFY',
      'CHECKSUM',
      'CONNSECMARK',
      'SECMARK',
    ]
      .concat(['DSCP', 'TOS', 'TTL', 'HL', 'ECN', 'SET', 'TEE', 'LED', 'IDLETIMER', 'RATEEST'])
      .map((name): [string, Target] => [name, nothing]),
  ),
})

/** What `-j name` does; options null: they are not known. A name that is no target's is a chain's. */
export function targetSteps(name: string, options: readonly string[] | null): readonly FirewallStep[] {
  const target = TARGETS[name]
  if (target) return target(options)
  if (options === null) return [{ kind: 'unknown', text: `xt target ${name}` }, verdict({ kind: 'taken' })]
  return [verdict({ kind: 'jump', chain: name })]
}

/** "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", ":80" and ranges of either, which are not one destination. */
function destination(to: string | undefined) {
  const parts = /^(?:\[([^\]]*)\]|([^:]*)|([^\]]*:[^\]]*:[^\]]*?))(?::([\d-]+))?$/.exec(to ?? '')
  const address = parts?.[1] ?? parts?.[2] ?? parts?.[3] ?? '-'
  const port = parts?.[4] ?? null
  if (!parts || address.includes('-') || port?.includes('-')) return { kind: 'dnat', to: null, port: null } as const
  return { kind: 'dnat', to: address || null, port: port === null ? null : Number(port) } as const
}

/** "--set-xmark value/mask": the bits of the mask are cleared, then the value's are flipped. */
function markChange(options: readonly string[] | null): { readonly and: number; readonly xor: number } | null {
  const [value, mask] = (optionOf(options, '--set-xmark') ?? '').split('/').map(Number)
  if (!options?.includes('--set-xmark') || value === undefined || Number.isNaN(value)) return null
  return { and: ~(mask ?? 0xffffffff) >>> 0, xor: value }
}
