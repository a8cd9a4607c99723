/**
 * Carries a packet through the rules of one hook as the kernel does (nf_hook_slow, nft_do_chain, ipt_do_table,
 * nf_nat_inet_fn), with conditions that hold, do not hold, or are not known. Pure.
 *
 * Where a condition is not known both ways are followed. A flow that the packet takes for sure is `sure`; what ends a rule on
 * another one is a candidate. Flows that meet again are one, sure again if none of them ended meanwhile.
 */
import type {
  FirewallChain,
  FirewallRule,
  FirewallSet,
  FirewallState,
  FirewallVerdict,
  FirewallVerdictMap,
} from '../../state.ts'
import { lookUp, type Moment, matches, setOf, untracked } from './match.ts'
import { addressNumber, join, overwritten, type View, withMark } from './packet.ts'

export type FindingKind = 'drop' | 'reject' | 'dnat' | 'redirect' | 'taken'

/** A rule, a policy or an element of a map that ends the packet's way, or turns it elsewhere. */
export interface FirewallFinding {
  readonly verdict: FindingKind
  /** The rule as a person finds it; "policy drop" when no rule decided. */
  readonly rule: string
  readonly backend: FirewallChain['backend']
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly handle: number | null
  /** Of the base chain that led there. */
  readonly priority: number
  readonly hook: string
  /** "element : verdict" and the map that holds it, when it was an element of a named map. */
  readonly element: { readonly map: string; readonly key: string } | null
  /** reject: how. dnat, redirect: where to, as far as it is one place. */
  readonly how: string | null
}

export interface Flow {
  readonly view: View
  readonly sure: boolean
}

/** The rules of a state, by "backend family table chain": each chain is found at once. */
export class Walk {
  readonly drops: { readonly finding: FirewallFinding; readonly sure: boolean }[] = []
  readonly turns: { readonly finding: FirewallFinding; readonly sure: boolean }[] = []
  /** How often a flow ended so far: flows that meet again are only as sure as before when none of them did. */
  #ended = 0
  #accepted: Flow[] = []
  #translated: Flow[] = []
  #steps = 0
  #depth = 0
  readonly #chains: ReadonlyMap<string, FirewallChain>

  readonly state: FirewallState
  readonly hook: string

  constructor(state: FirewallState, hook: string) {
    this.state = state
    this.hook = hook
    this.#chains = chainsOf(state)
  }

  /** The kernel's limit on jumps, and ours on work: a rule set that asks for more is not judged. */
  static readonly MAX_DEPTH = 64
  static readonly MAX_STEPS = 2_000_000

  /** What leaves a base chain: to the next one, and (of a nat chain) translated. null: nothing for sure. */
  base(chain: FirewallChain, flow: Flow): { readonly passed: Flow | null; readonly translated: Flow | null } {
    this.#accepted = []
    this.#translated = []
    const before = this.drops.length
    const moment = { family: chain.family, hook: this.hook, priority: chain.base?.priority ?? 0 }
    const out = this.#chain(chain, flow, chain, moment)
    if (out && chain.base?.policy === 'drop') this.#end(policyDrop(chain, this.hook), out.sure)
    else if (out) this.#accepted.push(out)
    const sure = flow.sure && this.drops.length === before
    return {
      passed: merge(this.#accepted, sure && this.#translated.length === 0),
      translated: merge(this.#translated, sure && this.#accepted.length === 0),
    }
  }

  /** What falls out at the chain's end or returns; null: nothing does. */
  #chain(chain: FirewallChain, flow: Flow, base: FirewallChain, moment: Moment): Flow | null {
    this.#depth += 1
    if (this.#depth > Walk.MAX_DEPTH)
      throw new TooDeep(`chain ${chain.name} is reached by more than ${Walk.MAX_DEPTH} jumps`)
    const ended = this.#ended
    const returned: Flow[] = []
    let here: Flow | null = flow
    for (const rule of chain.rules) {
      here = this.#rule(rule, chain, here, returned, base, moment)
      if (!here) break
    }
    this.#depth -= 1
    return merge(here ? [here, ...returned] : returned, flow.sure && this.#ended === ended)
  }

  /** What goes on to the next rule. */
  #rule(
    rule: FirewallRule,
    chain: FirewallChain,
    flow: Flow,
    returned: Flow[],
    base: FirewallChain,
    moment: Moment,
  ): Flow | null {
    const ended = this.#ended + returned.length
    // Those that left the rule at a condition, and the one that is still in it.
    const out: Flow[] = []
    let inside: Flow | null = flow
    for (const step of rule.steps) {
      this.#steps += 1
      if (this.#steps > Walk.MAX_STEPS) throw new TooDeep('the rules are too many to follow')
      const { view }: Flow = inside
      switch (step.kind) {
        case 'match':
        case 'unknown': {
          const met =
            step.kind === 'match' ? matches(step, view, moment, setOf(step.values, this.state.sets)) : undefined
          if (met === true) continue
          out.push(inside)
          if (met === false) inside = null
          else inside = { view, sure: false }
          break
        }
        case 'mark':
          inside = { ...inside, view: withMark(view, step.change) }
          continue
        case 'overwrite':
          inside = { ...inside, view: overwritten(view, step.field) }
          continue
        case 'notrack':
          inside = { ...inside, view: untracked(view, moment) }
          continue
        case 'vmap':
          inside = this.#vmap(step, { rule, chain, flow: inside, returned, out, base, moment })
          break
        case 'verdict':
          inside = this.#verdict(step.verdict, null, { rule, chain, flow: inside, returned, out, base, moment })
      }
      if (!inside) break
    }
    return merge(inside ? [inside, ...out] : out, flow.sure && this.#ended + returned.length === ended)
  }

  /** Carries out what the key means. What stays in the rule: "continue", in a map. */
  #vmap(step: FirewallVerdictMap, at: Place): Flow | null {
    const set: FirewallSet | undefined = setOf(step.values, this.state.sets)
    if (!set?.verdicts) {
      at.out.push(at.flow)
      this.#end(finding('taken', at, null, null), false)
      return { view: at.flow.view, sure: false }
    }
    const { sure, maybe } = lookUp(step, at.flow.view, at.moment, set)
    const verdictAt = (index: number) => set.verdicts?.[index] ?? ({ kind: 'taken' } as const)
    const elementAt = (index: number) =>
      'set' in step.values ? { map: step.values.set, key: set.elements[index] ?? '' } : null
    if (sure !== null) return this.#verdict(verdictAt(sure), elementAt(sure), at)
    if (maybe.length > 0 || !set.conditional) at.out.push(at.flow)
    const stays: Flow[] = []
    for (const index of maybe) {
      const stay = this.#verdict(verdictAt(index), elementAt(index), {
        ...at,
        flow: { view: at.flow.view, sure: false },
      })
      if (stay) stays.push(stay)
    }
    return merge(stays, false)
  }

  /** What stays in the rule. */
  #verdict(verdict: FirewallVerdict, element: FirewallFinding['element'], at: Place): Flow | null {
    const { flow } = at
    switch (verdict.kind) {
      case 'continue':
        return flow
      case 'accept':
        this.#accepted.push(flow)
        this.#ended += 1
        return null
      case 'drop':
        return this.#end(finding('drop', at, element, null), flow.sure)
      case 'reject':
        return this.#end(finding('reject', at, element, verdict.with || null), flow.sure)
      case 'taken':
        // Whoever takes it may give it back.
        this.#accepted.push({ view: flow.view, sure: false })
        return this.#end(finding('taken', at, element, null), false)
      case 'return':
        at.returned.push(flow)
        return null
      case 'jump':
      case 'goto':
        return this.#jump(verdict, element, at)
      case 'tproxy':
        this.turns.push({ finding: finding('redirect', at, element, 'a local proxy'), sure: flow.sure })
        if (!verdict.drops) return flow
        this.#accepted.push({ view: flow.view, sure: false })
        return this.#end(finding('drop', at, element, 'if no local proxy listens'), false)
      case 'snat':
        return this.#translate({ ...flow.view, source: undefined, sourcePort: undefined, snat: undefined }, flow.sure)
      case 'dnat':
      case 'redirect':
        return this.#turn(verdict, element, at)
    }
  }

  #jump(
    verdict: { readonly kind: 'jump' | 'goto'; readonly chain: string },
    element: FirewallFinding['element'],
    at: Place,
  ): Flow | null {
    const { chain, flow, base, moment } = at
    const target = this.#chains.get(
      `${chain.backend === 'iptables-legacy'} ${chain.family} ${chain.table} ${verdict.chain}`,
    )
    // A target that is not known, or a chain that was not read.
    const out = target ? this.#chain(target, flow, base, moment) : { view: flow.view, sure: false }
    if (!target) this.#end(finding('taken', at, element, null), false)
    if (out && verdict.kind === 'jump') at.out.push(out)
    else if (out) at.returned.push(out)
    return null
  }

  #turn(
    verdict: Extract<FirewallVerdict, { kind: 'dnat' | 'redirect' }>,
    element: FirewallFinding['element'],
    at: Place,
  ): null {
    const { view, sure } = at.flow
    const to = verdict.kind === 'dnat' ? verdict.to : null
    const host = to?.includes(':') && verdict.port !== null ? `[${to}]` : to
    const how = [host, verdict.port].filter((part) => part !== null).join(':') || null
    this.turns.push({ finding: finding(verdict.kind, at, element, how), sure })
    const address = to === null ? undefined : (addressNumber(to) ?? undefined)
    // A DNAT that names a port alone keeps the address; one without a port keeps the port, if it says where to.
    const port = verdict.port ?? (address === undefined && verdict.kind === 'dnat' ? undefined : view.destinationPort)
    const changed = address !== undefined && view.destination !== undefined && address !== view.destination
    return this.#translate({ ...view, destination: address, destinationPort: port, dnat: changed || undefined }, sure)
  }

  #translate(view: View, sure: boolean): null {
    this.#translated.push({ view, sure })
    this.#ended += 1
    return null
  }

  #end(found: FirewallFinding, sure: boolean): null {
    this.drops.push({ finding: found, sure })
    this.#ended += 1
    return null
  }
}

/** The rules ask for more work than a diagnosis may cost. */
export class TooDeep extends Error {}

interface Place {
  readonly rule: FirewallRule
  readonly chain: FirewallChain
  readonly flow: Flow
  /** Those that return from the chain. */
  readonly returned: Flow[]
  /** Those that leave the rule for the next one. */
  readonly out: Flow[]
  readonly base: FirewallChain
  readonly moment: Moment
}

function merge(flows: readonly Flow[], sure: boolean): Flow | null {
  const [first, ...rest] = flows
  if (!first) return null
  return { view: rest.reduce((view, flow) => join(view, flow.view), first.view), sure }
}

function finding(
  verdict: FindingKind,
  at: Place,
  element: FirewallFinding['element'],
  how: string | null,
): FirewallFinding {
  const { backend, family, table, name } = at.chain
  const { handle, text } = at.rule
  return { ...{ verdict, rule: text, backend, family, table, chain: name, handle }, ...at.moment, family, element, how }
}

const policyDrop = ({ backend, family, table, name, base }: FirewallChain, hook: string): FirewallFinding => ({
  ...{ verdict: 'drop', rule: 'policy drop', backend, family, table, chain: name, handle: null },
  ...{ priority: base?.priority ?? 0, hook, element: null, how: null },
})

const CHAINS = new WeakMap<FirewallState, ReadonlyMap<string, FirewallChain>>()

/** Both of iptables' back ends have a table of the same name: the old one's are its own. */
function chainsOf(state: FirewallState): ReadonlyMap<string, FirewallChain> {
  const known = CHAINS.get(state)
  if (known) return known
  const chains = new Map(
    state.chains.map((chain) => [
      `${chain.backend === 'iptables-legacy'} ${chain.family} ${chain.table} ${chain.name}`,
      chain,
    ]),
  )
  CHAINS.set(state, chains)
  return chains
}
