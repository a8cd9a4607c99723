/** Whether a condition holds for a packet: true, false, or undefined when that is not known. Pure. */
import type { FirewallMatch, FirewallSet, FirewallValues, FirewallVerdictMap } from '../../state.ts'
import { addressRange, PROTOCOLS, type View } from './packet.ts'

export type Known = boolean | undefined

/** Where the packet is while it is asked. */
export interface Moment {
  readonly family: string
  readonly hook: string
  readonly priority: number
}

/** Of an interface: a name or, ended by "*", its start. Of everything else: first and last number. null: not understood. */
type Bounds = readonly [number | bigint, number | bigint] | string | null

interface Compiled {
  /** The fields that its keys are of. */
  readonly meaning: string
  /** Elements of single values, by their joined key: of long lists alone. */
  readonly exact: ReadonlyMap<string, number>
  /** Of every element, the bounds in each dimension. */
  readonly elements: readonly (readonly Bounds[])[]
  /** Indices of all others. */
  readonly wide: readonly number[]
  /** Index of "*". */
  readonly others: number | null
}

/** Compiled once, as long as nobody asks for the same list as of other fields. */
const COMPILED = new WeakMap<FirewallSet, Compiled>()

const ADDRESS_FIELDS = /^(?:ip|ip6) [sd]addr$/
const NAME_FIELDS = /^meta [io]if(name)?$/
const IP_FAMILIES: ReadonlySet<string> = new Set(['ip', 'ip6', 'inet'])
const MAX_NUMBER = 2 ** 53

/** Bits of the state (include/uapi/linux/netfilter/nf_conntrack_common.h); a packet has one of them. */
const CT_STATE: Readonly<Record<string, number>> = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 }

/** What a value is worth in the words of its field. */
const NAMES: readonly (readonly [RegExp, Readonly<Record<string, number>>])[] = [
  [/^(meta l4proto|ip protocol|ip6 nexthdr)$/, PROTOCOLS],
  [/^meta nfproto$/, { ipv4: 2, ipv6: 10 }],
  [
    /^(meta protocol|ether type)$/,
    { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, vlan: 0x8100, '8021q': 0x8100, '8021ad': 0x88a8 },
  ],
  [
    /^icmp type$/,
    {
      ...{ 'echo-reply': 0, 'destination-unreachable': 3, 'source-quench': 4, redirect: 5, 'echo-request': 8 },
      ...{ 'router-advertisement': 9, 'router-solicitation': 10, 'time-exceeded': 11, 'parameter-problem': 12 },
      ...{ 'timestamp-request': 13, 'timestamp-reply': 14, 'info-request': 15, 'info-reply': 16 },
      ...{ 'address-mask-request': 17, 'address-mask-reply': 18 },
    },
  ],
  [
    /^icmpv6 type$/,
    {
      ...{ 'destination-unreachable': 1, 'packet-too-big': 2, 'time-exceeded': 3, 'parameter-problem': 4 },
      ...{ 'echo-request': 128, 'echo-reply': 129, 'mld-listener-query': 130, 'mld-listener-report': 131 },
      ...{ 'mld-listener-done': 132, 'mld-listener-reduction': 132, 'nd-router-solicit': 133, 'nd-router-advert': 134 },
      ...{ 'nd-neighbor-solicit': 135, 'nd-neighbor-advert': 136, 'nd-redirect': 137, 'router-renumbering': 138 },
      ...{ 'ind-neighbor-solicit': 141, 'ind-neighbor-advert': 142, 'mld2-listener-report': 143 },
    },
  ],
  [/^ct state$/, CT_STATE],
]

/** Whether the packet meets the condition. A field that its protocol does not have makes every condition on it false. */
export function matches(step: FirewallMatch, view: View, moment: Moment, set: FirewallSet | undefined): Known {
  const states = step.fields.map((field) => fieldOf(field, view, moment))
  if (states.some((state) => state === ABSENT)) return false
  const [field = ''] = step.fields
  if (step.op === 'any' || step.op === 'none')
    return invertIf(step.op === 'none', anyFlag(step, field, view, moment, set))
  if (field === 'tcp flags') return tcpFlags(step, view, set)
  if (field === 'fib daddr type' || field === 'fib saddr type')
    return invertIf(step.op === '!=', fibType(field, view, moment, set))
  if (!set) return undefined
  if (step.op !== '==' && step.op !== '!=') return step.mask === null ? ordered(step, states[0], set) : undefined
  // An interface that is not there has no name, or ends the rule: kernels differ (nft_meta).
  if (step.op === '!=' && states.includes(NONE)) return undefined
  if (step.mask !== null || field === 'meta mark') return invertIf(step.op === '!=', masked(step, view, set))
  const found = lookup(step.fields, states, set)
  if (set.conditional && found.sure === null) return undefined
  return invertIf(step.op === '!=', found.sure !== null ? true : found.maybe.length > 0 ? undefined : false)
}

/** Elements of a verdict map that the packet's key finds: one for sure (index), or those that it may find. */
export function lookUp(
  step: FirewallVerdictMap,
  view: View,
  moment: Moment,
  set: FirewallSet,
): { readonly sure: number | null; readonly maybe: readonly number[] } {
  const states = step.fields.map((field) => fieldOf(field, view, moment))
  if (states.some((state) => state === ABSENT)) return { sure: null, maybe: [] }
  const found = lookup(step.fields, states, set)
  if (!set.conditional) return found
  return { sure: null, maybe: found.sure === null ? found.maybe : [found.sure, ...found.maybe] }
}

/** The set that a condition names; undefined: it was not read. */
export function setOf(values: FirewallValues, sets: Readonly<Record<string, FirewallSet>>): FirewallSet | undefined {
  return 'set' in values ? sets[values.set] : values
}

const invertIf = (invert: boolean, known: Known): Known => (known === undefined ? undefined : known !== invert)

/** The packet has no such field: a rule that asks for it does not match. */
const ABSENT = Symbol('absent')
/** There is no such interface at this hook. */
const NONE = Symbol('none')

/** A pair is a number between both. A mark of which only some bits are known is undefined: see `masked`. */
type State = number | bigint | string | readonly [number, number] | typeof ABSENT | typeof NONE | undefined

function fieldOf(field: string, view: View, moment: Moment): State {
  const [layer, name = ''] = field.split(' ')
  switch (layer) {
    case 'ip':
      return view.family === 4 ? networkField(name, view) : ABSENT
    case 'ip6':
      return view.family === 6 ? networkField(name, view) : ABSENT
    case 'tcp':
    case 'udp':
    case 'sctp':
      return view.protocol === PROTOCOLS[layer] ? transportField(name, view) : ABSENT
    case 'udplite':
    case 'dccp':
    case 'ah':
    case 'esp':
    case 'comp':
      return view.protocol === PROTOCOLS[layer] ? undefined : ABSENT
    case 'th':
      return transportField(name, view)
    case 'icmp':
    case 'icmpv6':
      return view.protocol === PROTOCOLS[layer] && view.family === (layer === 'icmp' ? 4 : 6)
        ? icmpField(name, view)
        : ABSENT
    case 'arp':
      return ABSENT
    case 'meta':
      return metaField(name, view, moment)
    case 'ct':
      return field === 'ct state'
        ? stateNumber(view, moment)
        : field === 'ct direction' && stateOf(view, moment) === 'new'
          ? 'original'
          : undefined
    case 'numgen': {
      const [from = 0, to = 0] = name.split('-').map(Number)
      return from === to ? from : [from, to]
    }
    default:
      return undefined
  }
}

function networkField(name: string, view: View): State {
  if (name === 'saddr') return view.source
  if (name === 'daddr') return view.destination
  if (name === 'protocol' || name === 'nexthdr') return view.protocol
  if (name === 'version') return view.family
  return name === 'length' && view.family === 4 ? view.length : undefined
}

/** TCP, UDP, SCTP. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132])

/** Ports. What stands there in another protocol's header is not known. */
function transportField(name: string, view: View): State {
  if (!WITH_PORTS.has(view.protocol)) return undefined
  if (name === 'sport') return view.sourcePort
  return name === 'dport' ? view.destinationPort : undefined
}

const icmpField = (name: string, view: View): State => (name === 'type' ? view.icmpType : undefined)

function metaField(name: string, view: View, moment: Moment): State {
  switch (name) {
    case 'l4proto':
      return view.protocol
    case 'nfproto':
      return moment.family === 'bridge' || moment.hook === 'ingress' || moment.hook === 'egress'
        ? undefined
        : view.family === 4
          ? 2
          : 10
    case 'protocol':
      return view.family === 4 ? 0x0800 : 0x86dd
    case 'length':
      return IP_FAMILIES.has(moment.family) ? view.length : undefined
    case 'iif':
    case 'iifname':
      return view.iif === null ? NONE : view.iif
    case 'oif':
    case 'oifname':
      return view.oif === null ? NONE : view.oif
    case 'mark':
      return view.markKnown >>> 0 === 0xffffffff ? view.mark >>> 0 : undefined
    default:
      return undefined
  }
}

/** Conntrack attaches its entry at priority -200; before that a packet from a wire has none, which counts as invalid. */
const CONNTRACK_PRIORITY = -200

function stateOf(view: View, { family, hook, priority }: Moment): string | undefined {
  if (family === 'bridge' || family === 'netdev' || hook === 'ingress' || hook === 'egress') return undefined
  if ((hook === 'prerouting' || hook === 'output') && priority <= CONNTRACK_PRIORITY) {
    if (view.ctState === 'untracked') return 'untracked'
    const fresh = priority < CONNTRACK_PRIORITY && (hook === 'output' || (view.iif !== undefined && view.iif !== 'lo'))
    return fresh ? 'invalid' : undefined
  }
  return view.ctState
}

/** Only a packet that has no entry yet can be left out of tracking (nft_notrack, xt_CT). */
export function untracked(view: View, moment: Moment): View {
  const early = (moment.hook === 'prerouting' || moment.hook === 'output') && moment.priority <= CONNTRACK_PRIORITY
  if (!early || view.ctState === 'untracked') return view
  return { ...view, ctState: stateOf(view, moment) === 'invalid' ? 'untracked' : undefined }
}

const stateNumber = (view: View, moment: Moment): number | undefined => CT_STATE[stateOf(view, moment) ?? '']

/** Flags of connection tracking: xt ctstate takes state and translation together. */
function anyFlag(step: FirewallMatch, field: string, view: View, moment: Moment, set: FirewallSet | undefined): Known {
  if (!set || step.mask !== null || step.fields.length !== 1) return undefined
  if (field === 'tcp flags') {
    if (!view.tcpFlags || set.elements.some((flag) => !TCP_FLAGS.has(flag))) return undefined
    return set.elements.some((flag) => view.tcpFlags?.includes(flag))
  }
  return or(set.elements.map((flag) => ctFlag(field, flag, view, moment)))
}

function ctFlag(field: string, flag: string, view: View, moment: Moment): Known {
  const state = stateOf(view, moment)
  if (field === 'ct state' || (field === 'xt ctstate' && Object.hasOwn(CT_STATE, flag))) {
    return state === undefined || !Object.hasOwn(CT_STATE, flag) ? undefined : state === flag
  }
  if (field !== 'xt ctstate' && field !== 'ct status') return undefined
  if (state === 'invalid' || state === 'untracked') return false
  if (flag === 'dnat') return view.dnat
  if (flag === 'snat') return view.snat
  return flag === 'seen-reply' && state === 'new' ? false : undefined
}

const or = (all: readonly Known[]): Known => (all.includes(true) ? true : all.includes(undefined) ? undefined : false)

const TCP_FLAGS: ReadonlySet<string> = new Set(['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'])

/** Of the flags in the mask exactly those of the value are set. */
function tcpFlags(step: FirewallMatch, view: View, set: FirewallSet | undefined): Known {
  if (step.op !== '==' && step.op !== '!=') return undefined
  if (!set || !view.tcpFlags || typeof step.mask === 'number' || set.elements.length !== 1) return undefined
  const mask = step.mask ?? [...TCP_FLAGS]
  const [wanted = ''] = set.elements
  if (![...mask, ...(wanted === '0' ? [] : [wanted])].every((flag) => TCP_FLAGS.has(flag))) return undefined
  return invertIf(
    step.op === '!=',
    mask.every((flag) => view.tcpFlags?.includes(flag) === (flag === wanted)) &&
      (wanted === '0' || mask.includes(wanted)),
  )
}

/** Routing's type of an address. A forwarded packet's destination is not local: it would have been delivered. */
function fibType(field: string, view: View, moment: Moment, set: FirewallSet | undefined): Known {
  const address = field === 'fib daddr type' ? view.destination : view.source
  if (!set || address === undefined || set.conditional) return undefined
  const local = view.local?.(address) ?? (field === 'fib daddr type' && moment.hook === 'forward' ? false : undefined)
  if (local === undefined) return undefined
  if (local) return set.elements.includes('local')
  return set.elements.every((type) => type === 'local') ? false : undefined
}

function ordered(step: FirewallMatch, state: State, set: FirewallSet): Known {
  const bounds = boundsOf(step.fields[0] ?? '', set.elements[0] ?? '')
  if (typeof state !== 'number' || !Array.isArray(bounds)) return undefined
  const limit = Number(bounds[0])
  if (step.op === '<') return state < limit
  if (step.op === '>') return state > limit
  return step.op === '<=' ? state <= limit : state >= limit
}

/** The mark under a mask: a known bit that differs decides against a value. */
function masked(step: FirewallMatch, view: View, set: FirewallSet): Known {
  if (step.fields.length !== 1 || step.fields[0] !== 'meta mark' || Array.isArray(step.mask)) return undefined
  const mask = typeof step.mask === 'number' ? step.mask : 0xffffffff
  const values = set.elements.map((element) => boundsOf('meta mark', element))
  const unknownBits = (mask & ~view.markKnown) >>> 0
  const mark = (view.mark & mask) >>> 0
  const one = (bounds: Bounds): Known => {
    if (!Array.isArray(bounds)) return undefined
    const [from, to] = bounds.map(Number) as [number, number]
    if (unknownBits === 0) return from <= mark && mark <= to
    return from === to && ((mark ^ from) & ~unknownBits) !== 0 ? false : undefined
  }
  const found = or(values.map(one))
  return set.conditional && found !== true ? undefined : found
}

function lookup(
  fields: readonly string[],
  states: readonly State[],
  set: FirewallSet,
): { sure: number | null; maybe: number[] } {
  const compiled = compile(fields, set)
  const known = states.every(
    (state) => typeof state === 'number' || typeof state === 'bigint' || typeof state === 'string',
  )
  const key = known ? compiled.exact.get(states.join(' . ')) : undefined
  if (key !== undefined) return { sure: key, maybe: [] }
  const maybe: number[] = []
  const candidates = known ? compiled.wide : compiled.elements.keys()
  for (const index of candidates) {
    if (index === compiled.others) continue
    const hit = and(compiled.elements[index]?.map((bounds, i) => within(states[i], bounds)) ?? [])
    // Elements of a set do not overlap: the first that holds it is the one.
    if (hit === true) return { sure: index, maybe: [] }
    if (hit === undefined) maybe.push(index)
  }
  if (compiled.others === null) return { sure: null, maybe }
  return maybe.length === 0 ? { sure: compiled.others, maybe } : { sure: null, maybe: [...maybe, compiled.others] }
}

const and = (all: readonly Known[]): Known => (all.includes(false) ? false : all.includes(undefined) ? undefined : true)

function within(state: State, bounds: Bounds): Known {
  if (state === NONE) return typeof bounds === 'string' && bounds !== '*' ? false : undefined
  if (state === undefined || bounds === null) return undefined
  if (typeof bounds === 'string') {
    if (typeof state !== 'string') return undefined
    return bounds.endsWith('*') ? state.startsWith(bounds.slice(0, -1)) : state === bounds
  }
  if (Array.isArray(state)) return state[0] > bounds[1] || state[1] < bounds[0] ? false : undefined
  // Addresses of the other family are never in it.
  if (typeof state !== typeof bounds[0])
    return typeof state === 'number' || typeof state === 'bigint' ? false : undefined
  return bounds[0] <= (state as number) && (state as number) <= bounds[1]
}

/** Below that many elements each is looked at: most rules have one. */
const FEW = 4

function compile(fields: readonly string[], set: FirewallSet): Compiled {
  const meaning = fields.length === 1 ? (fields[0] ?? '') : fields.join(' . ')
  const before = COMPILED.get(set)
  if (before?.meaning === meaning) return before
  const exact = new Map<string, number>()
  const wide: number[] = []
  let others: number | null = null
  const elements = set.elements.map((element, index) => {
    const parts = fields.length === 1 ? [element] : element.split(' . ')
    if (element === '*') others = index
    const bounds = fields.map((field, i) => boundsOf(field, parts[i] ?? ''))
    if (set.elements.length > FEW && bounds.every(isSingle)) exact.set(keyOf(bounds), index)
    else wide.push(index)
    return bounds
  })
  const compiled = { meaning, exact, elements, wide, others }
  COMPILED.set(set, compiled)
  return compiled
}

const isSingle = (bounds: Bounds): boolean =>
  bounds !== null && (typeof bounds === 'string' ? !bounds.endsWith('*') : bounds[0] === bounds[1])

const keyOf = (all: readonly Bounds[]): string =>
  all.map((bounds) => (typeof bounds === 'string' ? bounds : bounds?.[0])).join(' . ')

type Kind = 'name' | 'index' | 'word' | 'address' | Readonly<Record<string, number>>

const KINDS = new Map<string, Kind>()

function kindOf(field: string): Kind {
  const before = KINDS.get(field)
  if (before) return before
  const kind = NAME_FIELDS.test(field)
    ? field.endsWith('name')
      ? 'name'
      : 'index'
    : field === 'ct direction'
      ? 'word'
      : ADDRESS_FIELDS.test(field)
        ? 'address'
        : (NAMES.find(([pattern]) => pattern.test(field))?.[1] ?? {})
  KINDS.set(field, kind)
  return kind
}

function boundsOf(field: string, text: string): Bounds {
  const kind = kindOf(field)
  if (kind === 'name' || kind === 'word') return text
  // an index that has no name
  if (kind === 'index') return /^\d+$/.test(text) ? null : text
  if (kind === 'address') return addressRange(text)
  const named = Object.hasOwn(kind, text) ? kind[text] : undefined
  if (named !== undefined) return [named, named]
  const range = /^(0x[0-9a-f]+|\d+)(?:-(0x[0-9a-f]+|\d+))?$/i.exec(text)
  if (!range) return null
  const [from, to] = [Number(range[1]), Number(range[2] ?? range[1])]
  return from < MAX_NUMBER && to < MAX_NUMBER ? [from, to] : null
}
