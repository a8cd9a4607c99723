/**
 * Which rule of a namespace's packet filter drops, rejects or turns a packet: judged from the rules as they were read, as the
 * kernel would. What the rules ask for and the packet or the reading does not tell is not guessed: `certain` is true only
 * where every condition on the way is known. Pure.
 */
import type { FirewallChain, FirewallState, FirewallStep } from '../state.ts'
import { matches, setOf } from './firewall/match.ts'
import { addressText, type FirewallPacket, join, type View, viewAt } from './firewall/packet.ts'
import { type FirewallFinding, type Flow, TooDeep, Walk } from './firewall/walk.ts'

export type { FirewallPacket } from './firewall/packet.ts'
export type { FirewallFinding } from './firewall/walk.ts'

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress'

export interface HookQuestion {
  /** bridge: what a bridge forwards. netdev: at a device. Else the packet's own family, whose chains and inet's are asked. */
  readonly family?: 'ip' | 'ip6' | 'inet' | 'bridge' | 'netdev'
  readonly hook: Hook
  readonly packet: FirewallPacket
}

/** What becomes of a packet at one hook. `after`: the packet as the next hook sees it. */
export type HookAnswer =
  | { readonly verdict: 'accept'; readonly after: FirewallPacket }
  | {
      readonly verdict: 'unknown'
      readonly because: string
      readonly candidates: readonly FirewallFinding[]
      readonly after: FirewallPacket | null
    }
  | (FirewallFinding & {
      readonly verdict: 'drop' | 'reject' | 'dnat' | 'redirect'
      /** false: it may also be one of the other candidates, or (unless the last one drops for sure) none of them. */
      readonly certain: boolean
      /** Every rule that may do it, in the order in which they are asked. */
      readonly candidates: readonly FirewallFinding[]
      /** null: dropped for sure, by one of the candidates. */
      readonly after: FirewallPacket | null
    })

/** Priorities of address translation: all nat chains of a hook are asked there, whatever their own priority orders among them. */
const NAT_PRIORITY: Readonly<Record<string, number>> = { prerouting: -100, output: -100, input: 100, postrouting: 100 }

/** Asks the chains of one hook in the kernel's order: an accept ends its chain alone, a drop ends everything. */
export function walkHook(state: FirewallState, { family, hook, packet }: HookQuestion): HookAnswer {
  const walk = new Walk(state, hook)
  try {
    const seen = viewAt(packet, hook)
    const start = mayBeUntracked(state) ? { ...seen, ctState: undefined } : seen
    const translated = state.chains.some((chain) => chain.base?.type === 'nat' && serves(chain, start, family))
    const flow = runAll(walk, state, { view: withTranslation(start, hook, translated), sure: true }, family)
    return answer(walk, state, packet, flow)
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error
    return { verdict: 'unknown', because: error.message, candidates: [], after: null }
  }
}

/** Rules that leave packets out of tracking: which ones they take, not every kernel agrees on, so no state is sure behind them. */
const untracking = new WeakMap<FirewallState, boolean>()

function mayBeUntracked(state: FirewallState): boolean {
  const known = untracking.get(state)
  if (known !== undefined) return known
  const found = state.chains.some(({ rules }) =>
    rules.some(({ steps }) => steps.some(({ kind }) => kind === 'notrack')),
  )
  untracking.set(state, found)
  return found
}

export interface PathStep extends Omit<HookQuestion, 'packet'> {
  readonly iif?: string | undefined
  readonly oif?: string | undefined
}

/** One answer a hook, up to the one that drops for sure; each hook sees the packet as the one before left it. */
export function walkPath(
  state: FirewallState,
  packet: FirewallPacket,
  path: readonly PathStep[],
): readonly (HookAnswer & { readonly at: PathStep })[] {
  const answers: (HookAnswer & { readonly at: PathStep })[] = []
  let here: FirewallPacket | null = packet
  for (const at of path) {
    if (!here) break
    const asked: FirewallPacket = {
      ...here,
      ...(at.iif === undefined ? {} : { iif: at.iif }),
      ...(at.oif === undefined ? {} : { oif: at.oif }),
    }
    const said = walkHook(state, { ...at, packet: asked })
    answers.push({ ...said, at })
    here = said.after
  }
  return answers
}

/** Every rule on the way that drops or rejects the packet, or may: the certain one alone when there is one. */
export function dropsFor(
  state: FirewallState,
  packet: FirewallPacket,
  path: readonly PathStep[],
): readonly (FirewallFinding & { readonly certain: boolean })[] {
  const answers = walkPath(state, packet, path)
  const found = answers.flatMap((said) => {
    if (said.verdict !== 'drop' && said.verdict !== 'reject') return []
    return said.candidates.map((candidate) => ({ ...candidate, certain: said.certain }))
  })
  const doubted = answers.some((said) => said.verdict === 'unknown') || found.some(({ certain }) => !certain)
  const certain = found.filter((one) => one.certain)
  return certain.length > 0 && !doubted ? certain : found.map((one) => ({ ...one, certain: false }))
}

/** How a person finds what was found, and what takes it away. */
export interface Described {
  /** "`ip daddr 203.0.113.9 drop` in chain inet filter forward" */
  readonly text: string
  /** Command that shows it. */
  readonly show: string
  /** Command that removes it; null: no single one does. */
  readonly remove: string | null
}

export function describe(found: FirewallFinding): Described {
  return found.backend === 'nft' ? describeNft(found) : describeIptables(found)
}

function describeNft(found: FirewallFinding): Described {
  const { rule, family, table, chain, handle, element } = found
  const place = `${family} ${table} ${chain}`
  const what = element ? `\`${rule}\`, element \`${element.key}\`,` : `\`${rule}\``
  return {
    text: `${what} in chain ${place}`,
    show: `nft -a list chain ${place}`,
    remove: element
      ? `nft delete element ${element.map} '{ ${element.key} }'`
      : handle !== null
        ? `nft delete rule ${place} handle ${handle}`
        : `nft chain ${place} '{ policy accept ; }'`,
  }
}

/** The command's own back end is named: "iptables" alone may be either, and sees only its own rules. */
function describeIptables(found: FirewallFinding): Described {
  const { rule, family, table, chain, backend } = found
  const command = `${family === 'ip6' ? 'ip6tables' : 'iptables'}-${backend === 'iptables-nft' ? 'nft' : 'legacy'}`
  const policy = rule === POLICY_DROP
  return {
    text: `\`${policy ? rule : `-A ${chain} ${rule}`}\` in chain ${chain} of ${command}'s table ${table}`,
    show: `${command} -t ${table} -S ${chain}`,
    remove: policy
      ? `${command} -t ${table} -P ${chain} ACCEPT`
      : // nft's own words: iptables-save could not be had
        found.handle !== null && !/(^|\s)-j |(^|\s)-g /.test(rule)
        ? `nft delete rule ${family} ${table} ${chain} handle ${found.handle}`
        : `${command} -t ${table} -D ${chain} ${rule}`,
  }
}

const POLICY_DROP = 'policy drop'

/** Whether a base chain is asked for the packet. */
function serves(chain: FirewallChain, view: View, family: HookQuestion['family']): boolean {
  // at a device the chains of inet are asked as well (nf_tables_inet)
  if (family === 'netdev') return chain.family === 'netdev' || chain.family === 'inet'
  if (family === 'bridge') return chain.family === 'bridge'
  return chain.family === 'inet' || chain.family === (view.family === 4 ? 'ip' : 'ip6')
}

/** A new connection is not translated before its first hook, nor where nothing translates. */
function withTranslation(view: View, hook: string, translated: boolean): View {
  const first = hook === 'output' || (hook === 'prerouting' && view.iif !== undefined && view.iif !== 'lo')
  if (view.ctState !== 'new' || (translated && !first)) return view
  return { ...view, dnat: view.dnat ?? false, snat: view.snat ?? false }
}

interface Item {
  readonly priority: number
  run(flow: Flow): Flow | null
}

function runAll(walk: Walk, state: FirewallState, start: Flow, family: HookQuestion['family']): Flow | null {
  const { hook } = walk
  const served = state.chains.filter(({ base }) => base !== null).filter((chain) => serves(chain, start.view, family))
  const here = served.filter(({ base }) => base?.hook === hook)
  const nat = served.filter(({ base }) => base?.type === 'nat')
  const items: Item[] = here
    .filter((chain) => !nat.includes(chain))
    .map((chain) => ({ priority: chain.base?.priority ?? 0, run: (flow) => runFilter(walk, chain, flow) }))
  const priority = NAT_PRIORITY[hook]
  if (nat.length > 0 && priority !== undefined) {
    const chains = here.filter((chain) => nat.includes(chain))
    items.push({ priority, run: (flow) => runNat(walk, chains, flow, () => tracks(state, start.view, family)) })
  }
  const groups = byPriority(items, (item) => item.priority)
  let flow: Flow | null = start
  for (const group of groups) {
    if (!flow) break
    flow = runGroup(walk, group, flow)
  }
  return flow
}

function byPriority<T>(items: readonly T[], priorityOf: (item: T) => number): readonly (readonly T[])[] {
  const priorities = [...new Set(items.map(priorityOf))].sort((a, b) => a - b)
  return priorities.map((priority) => items.filter((item) => priorityOf(item) === priority))
}

function runFilter(walk: Walk, chain: FirewallChain, flow: Flow): Flow | null {
  const device = chain.base?.hook === 'egress' ? flow.view.oif : flow.view.iif
  const byDevice = chain.base?.hook === 'ingress' || chain.base?.hook === 'egress'
  const devices = chain.base?.devices
  if (!byDevice || (devices && device && devices.includes(device))) return walk.base(chain, flow).passed
  if (devices && device) return flow
  const { passed } = walk.base(chain, { ...flow, sure: false })
  return { view: passed ? join(flow.view, passed.view) : flow.view, sure: false }
}

/** Chains of one priority: which is asked first is not known, so each must stand what the others may have changed. */
function runGroup(walk: Walk, items: readonly Item[], flow: Flow): Flow | null {
  const [only] = items
  if (only && items.length === 1) return only.run(flow)
  const [drops, turns] = [walk.drops.length, walk.turns.length]
  const outs = items.map((item) => item.run(flow))
  const views = outs.flatMap((out) => (out ? [out.view] : []))
  if (views.every((view) => view === flow.view)) return together(outs, flow.view)
  walk.drops.length = drops
  walk.turns.length = turns
  const mixed = views.reduce(join, flow.view)
  const again = items.map((item) => item.run({ ...flow, view: mixed }))
  return together(
    again,
    again.reduce((view, out) => (out ? join(view, out.view) : view), mixed),
  )
}

const together = (outs: readonly (Flow | null)[], view: View): Flow | null =>
  outs.includes(null) ? null : { view, sure: outs.every((out) => out?.sure) }

const TRACKED = new WeakMap<FirewallState, Map<string, boolean>>()

/**
 * Whether connections are tracked for sure: a rule that asks for their state, or translates, switches that on for its family
 * (nf_ct_netns_get). A nat chain alone does not, and is not asked then.
 */
function tracks(state: FirewallState, view: View, family: HookQuestion['family']): boolean {
  const known = TRACKED.get(state) ?? new Map<string, boolean>()
  TRACKED.set(state, known)
  const key = `${family} ${view.family}`
  const before = known.get(key)
  if (before !== undefined) return before
  const found = state.chains.some(
    (chain) => serves(chain, view, family) && chain.rules.some(({ steps }) => switchTrackingOn(steps, view)),
  )
  known.set(key, found)
  return found
}

/** In inet a rule that translates to addresses of one family does so for that family alone. */
function switchTrackingOn(steps: readonly FirewallStep[], view: View): boolean {
  const asksState = (step: FirewallStep) =>
    (step.kind === 'match' || step.kind === 'vmap') && step.fields.some((field) => /^(ct|xt ctstate)\b/.test(field))
  const translates = (step: FirewallStep) =>
    step.kind === 'verdict' && ['dnat', 'snat', 'redirect'].includes(step.verdict.kind)
  const ofOther = (step: FirewallStep) =>
    step.kind === 'match' &&
    step.fields[0] === 'meta protocol' &&
    matches(step, view, { family: 'inet', hook: 'prerouting', priority: 0 }, setOf(step.values, {})) !== true
  return steps.some(asksState) || (steps.some(translates) && !steps.some(ofOther))
}

/** Address translation is decided once a connection; later packets follow, whatever the rules say by then. */
function runNat(walk: Walk, chains: readonly FirewallChain[], flow: Flow, tracked: () => boolean): Flow | null {
  const { ctState } = flow.view
  if (ctState === 'invalid' || ctState === 'untracked') return flow
  if (ctState === 'new' && tracked()) return decide(walk, chains, flow)
  const found = walk.drops.length + walk.turns.length
  const decided = ctState === 'established' ? null : decide(walk, chains, { ...flow, sure: false })
  if (ctState === 'new') {
    const asked = walk.drops.length + walk.turns.length > found
    return { view: decided ? join(flow.view, decided.view) : flow.view, sure: flow.sure && !asked }
  }
  const incoming = walk.hook === 'prerouting' || walk.hook === 'output'
  const followed: View = incoming
    ? { ...flow.view, destination: undefined, destinationPort: undefined, dnat: undefined }
    : { ...flow.view, source: undefined, sourcePort: undefined, snat: undefined }
  return { view: decided ? join(followed, decided.view) : followed, sure: flow.sure && ctState === 'established' }
}

function decide(walk: Walk, chains: readonly FirewallChain[], flow: Flow): Flow | null {
  const groups = byPriority(chains, ({ base }) => base?.priority ?? 0)
  const translated: Flow[] = []
  let here: Flow | null = flow
  for (const group of groups) {
    if (!here) break
    const at: Flow = here
    const [drops, turns] = [walk.drops.length, walk.turns.length]
    const outs = group.map((chain) => walk.base(chain, at))
    const acting = outs.filter((out) => out.translated || !out.passed || !out.passed.sure)
    // Several chains of one priority that would act: the first one does, and which that is is not known.
    if (acting.length > 1) {
      for (const list of [walk.drops, walk.turns]) {
        const from = list === walk.drops ? drops : turns
        list.splice(from, list.length - from, ...list.slice(from).map((one) => ({ ...one, sure: false })))
      }
    }
    for (const out of outs)
      if (out.translated) translated.push({ ...out.translated, sure: out.translated.sure && acting.length < 2 })
    const passed = outs.map((out) => out.passed).filter((out) => out !== null)
    const gone = acting.length === 1 && passed.length < outs.length
    here =
      gone || passed.length === 0
        ? null
        : {
            view: passed.map((out) => out.view).reduce(join),
            sure: passed.every((out) => out.sure) && acting.length === 0,
          }
  }
  const flows = here ? [...translated, here] : translated
  const [first, ...rest] = flows
  if (!first) return null
  const sure = flow.sure && walk.drops.every((drop) => drop.sure)
  return {
    view: rest.reduce((view, other) => join(view, other.view), first.view),
    sure: flows.length === 1 ? first.sure : sure,
  }
}

function answer(walk: Walk, state: FirewallState, packet: FirewallPacket, flow: Flow | null): HookAnswer {
  const after = flow ? packetOf(packet, flow.view) : null
  const { drops, turns } = walk
  const candidates = distinct(drops.map(({ finding }) => finding))
  const [last] = drops.slice(-1)
  const known = state.missing === null
  if (last?.sure) return { ...named(last.finding), certain: known && candidates.length === 1, candidates, after: null }
  const first = candidates.find(({ verdict }) => verdict === 'drop' || verdict === 'reject')
  if (first) return { ...named(first), certain: false, candidates, after }
  const [taken] = candidates
  if (taken)
    return { verdict: 'unknown', because: `what \`${taken.rule}\` does with it is not known`, candidates, after }
  const turned = distinct(turns.map(({ finding }) => finding))
  const [turn] = turned
  if (turn) {
    const certain = known && turned.length === 1 && turns.every(({ sure }) => sure)
    return { ...named(turn), certain, candidates: turned, after }
  }
  if (state.missing !== null) return { verdict: 'unknown', because: state.missing, candidates: [], after }
  return after ? { verdict: 'accept', after } : { verdict: 'unknown', because: 'no flow', candidates: [], after }
}

const named = (found: FirewallFinding) =>
  found as FirewallFinding & { readonly verdict: 'drop' | 'reject' | 'dnat' | 'redirect' }

function distinct(found: readonly FirewallFinding[]): readonly FirewallFinding[] {
  const key = ({ backend, family, table, chain, rule, handle, element, verdict }: FirewallFinding) =>
    [backend, family, table, chain, handle ?? rule, element?.key, verdict].join('\n')
  return [...new Map(found.map((one) => [key(one), one])).values()]
}

/** The packet as it goes on: what may have been changed is left out. */
function packetOf(packet: FirewallPacket, view: View): FirewallPacket {
  const { source: _, destination: __, sourcePort: ___, destinationPort: ____, mark: _____, ...rest } = packet
  const known = <K extends string, V>(key: K, value: V | undefined) => (value === undefined ? {} : { [key]: value })
  return {
    ...rest,
    ...known('source', view.source === undefined ? undefined : addressText(view.source)),
    ...known('destination', view.destination === undefined ? undefined : addressText(view.destination)),
    ...known('sourcePort', view.sourcePort),
    ...known('destinationPort', view.destinationPort),
    ...known('mark', view.markKnown >>> 0 === 0xffffffff ? view.mark >>> 0 : undefined),
    ...known('dnat', view.dnat),
    ...known('snat', view.snat),
    ...known('ctState', view.ctState as FirewallPacket['ctState']),
  }
}
