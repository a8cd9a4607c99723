/**
 * Why: from the results of a run, and what was seen when its failures were asked again, to findings. Pure.
 * A failing check follows from a cause that was found on the way of its packets, or is a cause by itself.
 */
import type { FlowSeen, Observed } from '../state.ts'
import type { Answer, Evidence, Finding, Place, Report, Result, Target } from '../types.ts'
import type { Around, Cause } from './cause.ts'
import { causeOf } from './causes.ts'
import { CODES, rankOf } from './codes.ts'
import { brings, covers } from './covers.ts'
import { failingTargets, isPathFailure } from './failing.ts'
import { HIDES } from './hides.ts'
import { lossOf } from './loss.ts'
import { called, isVirtual, type Names, namesOf, nodeOf, wire } from './names.ts'
import { type Branch, branchesOf, type Sides } from './trace.ts'

/** A result with what its replay saw. */
export interface Case {
  readonly result: Result
  readonly observed: Observed | null
}

/** A result that was asked from a place; findings about all nodes together are joined in lib/cluster. */
interface Placed extends Case {
  readonly result: Result & { readonly place: Place }
}

const isPlaced = (one: Case): one is Placed => one.result.place !== 'cluster'

export interface Diagnosis {
  /** Roots first: what explains most, and what stands nearest to the asking side. */
  readonly findings: readonly Finding[]
  /** Ids of the findings that explain a result, by the result's id. */
  readonly follows: ReadonlyMap<string, readonly string[]>
}

type About = Pick<Report, 'node' | 'source'> & {
  readonly nodeAddresses: readonly string[]
  /** What is typed before the files of checks to ask them. */
  readonly command: string
}

/** The findings of a run. A run without failures and warnings has none. */
export function diagnose(about: About, all: readonly Case[]): Diagnosis {
  const cases = all.filter(isPlaced)
  const bad = cases.filter(({ result }) => result.verdict === 'fail' || result.verdict === 'warn')
  if (bad.length === 0) return { findings: [], follows: new Map() }
  const results = cases.map(({ result }) => result)
  const names = namesOf(about, [
    ...results.flatMap(({ targets }) => targets),
    ...answersOf(results).map((one) => one.target),
  ])
  const around = (place: Place): Around => aroundOf(place, about, cases, names)
  const byPlace = { node: around('node'), pod: around('pod') }
  const branches = new Map<string, readonly Branch[]>()
  const flows = new Map<string, FlowSeen>()
  for (const { result, observed } of cases) {
    for (const flow of observed?.flows ?? []) {
      flows.set(`${result.place} ${keyOf(flow.target)}`, flow)
      branches.set(
        `${result.place} ${keyOf(flow.target)}`,
        branchesOf(flow, observed as Observed, byPlace[result.place].sides),
      )
    }
  }
  const roots = bad.filter(({ result }) => !isPathFailure(result)).map(({ result }) => result)
  const causes = new Map<string, Gathered>()
  const add = (cause: Cause, result: Result, addresses: readonly string[]) => {
    const known = causes.get(cause.key) ?? { cause, results: new Set(), addresses: new Set() }
    known.results.add(result)
    for (const address of addresses) known.addresses.add(address)
    if (cause.confidence === 'proven' && known.cause.confidence === 'likely') known.cause = cause
    causes.set(cause.key, known)
  }
  const left: Result[] = []
  for (const root of roots)
    add(
      selfCause(firstOf(root, roots)),
      root,
      root.targets.map(({ address }) => address),
    )
  for (const { result } of bad.filter((one) => isPathFailure(one.result))) {
    const own = failingTargets(result).flatMap((target) => branches.get(`${result.place} ${keyOf(target)}`) ?? [])
    const lossy = failingTargets(result).flatMap((target) => {
      const flow = flows.get(`${result.place} ${keyOf(target)}`)
      const cause = result.code === 'PACKET_LOSS' && flow ? lossOf(flow, byPlace[result.place]) : null
      return cause ? [{ cause, address: target.address }] : []
    })
    for (const { cause, address } of lossy) add(cause, result, [address])
    if (lossy.length > 0) continue
    if (own.length === 0) left.push(result)
    for (const branch of own) {
      const covering = roots.filter((root) => covers(root, branch, result.place, names))
      for (const root of covering) add(selfCause(firstOf(root, roots)), result, [branch.destination])
      if (covering.length === 0) add(causeOf(branch, byPlace[result.place]), result, [branch.destination])
    }
  }
  for (const result of left) {
    const near = [...causes.values()].filter((cause) => standsBehind(cause, result, names))
    const behind = near.length > 0 ? near : onlyCause(result, [...causes.values()])
    for (const { cause } of behind) add(cause, result, [])
    if (behind.length === 0) add(selfCause(result), result, [])
  }
  const gathered = absorbed(causes)
  return report(
    [...gathered.values()].filter((one) => !followsFromOther(one, gathered)),
    about,
    names,
    gathered,
  )
}

interface Gathered {
  cause: Cause
  readonly results: Set<Result>
  readonly addresses: Set<string>
}

const answersOf = (results: readonly Result[]): readonly Answer[] => results.flatMap(({ answers = [] }) => answers)

const keyOf = ({ address, protocol, port }: Target): string => `${protocol ?? 'icmp'} ${address} ${port ?? ''}`

/** What is known around the flows of a place. */
function aroundOf(place: Place, { nodeAddresses }: About, cases: readonly Case[], names: Names): Around {
  const here = cases.filter(({ result }) => result.place === place)
  const states = here.find(({ observed }) => observed?.states)?.observed?.states ?? {}
  const sides: Sides = { states, fromNode: states.node === undefined && place === 'node', nodeAddresses }
  const good = cases.flatMap(({ result }) => goodTargets(result).map((target) => ({ target, from: result.place })))
  const answering = new Map<string, string[]>()
  for (const { target, from } of good) {
    if (from === place) answering.set(target.address, [...(answering.get(target.address) ?? []), wire(target)])
  }
  const nodesAnswering = good.flatMap(({ target, from }) =>
    from === place && target.node && isPod(target) ? [`${target.node} ${target.family}`] : [],
  )
  // a pod that is asked through a Service only is heard when that is asked again
  const heard = here.flatMap(({ observed }) =>
    (observed?.flows ?? []).flatMap(({ stations, target }) =>
      stations.flatMap(({ kind, source }) => {
        const node = kind === 'answer' && isPodAddress(source, names) ? nodeOf(source, names) : null
        return node ? [`${node} ${target.family}`] : []
      }),
    ),
  )
  return {
    ...{ place, sides, names, answering, refusals: refusalsOf(here) },
    errors: here.flatMap(({ observed }) =>
      (observed?.flows ?? []).flatMap(({ stations }) => stations.filter(({ kind }) => kind === 'error')),
    ),
    nodesAnswering: new Set([...nodesAnswering, ...heard]),
    nodeAddressesAnswering: new Set(good.filter(({ from }) => from === 'node').map(({ target }) => target.address)),
  }
}

/** "0 of 25 echoes answered: host unreachable, says 198.51.100.254". */
const HEARD = /: ([^:]+), says (\S+)$/

function refusalsOf(cases: readonly Case[]): Around['refusals'] {
  const heard = cases.flatMap(({ result: { answers = [] } }) =>
    answers.flatMap(({ target, code, said }) => {
      const [, words, from] = (code === 'REJECTED' && HEARD.exec(said)) || []
      return words && from ? [[target.address, { from, said: words }] as const] : []
    }),
  )
  return new Map(heard)
}

/** "namespace/name" is a pod's; nodes and addresses have no slash. */
const isPod = ({ name }: Pick<Target, 'name'>): boolean => name.includes('/')

const isPodAddress = (address: string, names: Names): boolean => {
  const who = names.who.get(address)
  return who !== undefined && isPod(who)
}

function goodTargets({ verdict, answers, targets }: Result): readonly Target[] {
  if (answers) return answers.filter(({ code, excused }) => code === null && !excused).map(({ target }) => target)
  return verdict === 'pass' || verdict === 'warn' ? targets : []
}

/** Of broken states that bring each other, the first. */
function firstOf(root: Result, roots: readonly Result[]): Result {
  const above = roots.find((other) => other !== root && brings(other, root))
  return above ? firstOf(above, roots) : root
}

/** A check that names its own cause. */
function selfCause(result: Result): Cause {
  const code = result.code ?? 'CHECK_CRASHED'
  const remedy = result.hint ?? CODES[code]?.remedy ?? ''
  return {
    code,
    key: `${code} ${result.place} ${remedy}`,
    cause: sentence(result.seen),
    confidence: isPathFailure(result) ? 'likely' : 'proven',
    remedy,
    evidence: result.evidence.filter(({ kind }) => kind !== 'samples').slice(0, 6) as readonly Evidence[],
    hides: HIDES[code] ?? null,
  }
}

const sentence = (text: string): string => (/[.:!?]$/.test(text) ? text : `${text}.`)

/** Whom a virtual address stands for. */
const BEHIND: readonly (readonly [role: RegExp, endpoint: RegExp])[] = [
  [/destination service/, /ready endpoint/],
  [/nameserver/, /DNS replica/],
]

/** Causes that hold for every Service of this node. */
const OF_SERVICES = /^SERVICE_(?:NOT_TRANSLATED|RULES)/

/** A cause was found for somebody who stands behind what the result asked. */
function standsBehind(gathered: Gathered, result: Result, names: Names): boolean {
  const { cause, addresses, results } = gathered
  const { targets, place } = result
  if (cause.code === 'PACKET_LOSS' && concerns(gathered, result) && isOnNodeOf(addresses, result, names)) return true
  const ofServices = [cause, ...results].some(({ code }) => OF_SERVICES.test(code ?? ''))
  if (results.size > 0 && ofServices && targets.some(({ role }) => isVirtual(role))) return true
  const asked = targets.map(({ address }) => address)
  if ([...addresses].some((address) => asked.includes(address))) return true
  const roles = BEHIND.filter(([role]) => targets.some((target) => role.test(target.role))).map(
    ([, endpoint]) => endpoint,
  )
  return (
    [...results].some(
      (result) =>
        result.place === place &&
        result.targets.some((target) => roles.some((role) => role.test(target.role)) && addresses.has(target.address)),
    ) && names.who.size > 0
  )
}

/** What did not answer is on a node to whose pods packets get lost: asked again it may have answered. */
const isOnNodeOf = (addresses: ReadonlySet<string>, result: Result, names: Names): boolean => {
  const nodes = new Set([...addresses].map((address) => nodeOf(address, names)).filter((node) => node !== null))
  return failingTargets(result).some(({ node }) => node !== undefined && nodes.has(node))
}

/** Causes that concern everything that the pod sends or gets. */
const OF_ALL =
  /^(?:ROUTE_REFUSES back|NEIGHBOUR node \S+$|LOST_AT_VETH|LINK_DOWN|VETH_DETACHED|ADDRESS_MISSING|DUPLICATE_ADDRESS|GATEWAY_|NO_DEFAULT_ROUTE|FORWARDING_OFF|RP_FILTER)/
/** What keeps every pod of the node from the world, its DNS replicas too, whatever the family that they were asked over. */
const OF_NODE: ReadonlySet<string> = new Set(['FORWARDING_OFF', 'RP_FILTER'])
/** What is said where nothing better is known. */
const VAGUE: ReadonlySet<string> = new Set([
  ...['LOST_ON_NODE', 'ANSWER_LOST_ON_NODE', 'TARGET_SILENT', 'LEFT_NODE_UNANSWERED', 'LOST_IN_POD'],
])

/** What a DNS server that cannot be reached, or not each time, makes of the checks that only use it. */
const USES_DNS = /^DNS_(?:SEARCH_BROKEN|SEARCH_SLOW|UPSTREAM_BROKEN|RACE|EDNS_BROKEN)$/
const ASKS_DNS = /\/dns-(?:kubernetes|service|replicas)\./

/** What keeps the pod from its DNS servers, if something does. */
const keepsFromDns = (causes: Iterable<Gathered>, of: Gathered): Gathered | undefined =>
  [...causes].find(
    (one) => !USES_DNS.test(one.cause.code) && [...one.results].some(({ file }) => ASKS_DNS.test(file)) && one !== of,
  )

/** What a rule inside the target pod looks like where that pod's rules were not read. */
const AT_TARGET: ReadonlySet<string> = new Set(['TARGET_SILENT', 'NOTHING_LISTENING'])

/**
 * A rule inside the target pod, and one in the node's bridge: that meets the neighbour discovery between its pods as well (RFC 4861: its
 * messages are IP packets), so that the target, where it does not know the asking pod's hardware address any more, sends no answer.
 */
const NEAR_TARGET = /^FIREWALL (?:target |node chain bridge )/

/** The rule near the target pod that each of the results met, where all of them met one. */
function nearTarget(
  causes: Iterable<Gathered>,
  { results, addresses }: Gathered,
): readonly (readonly [Gathered, Result])[] {
  const rules = [...causes].filter(
    ({ cause, addresses: there }) =>
      NEAR_TARGET.test(cause.key) && [...there].some((address) => addresses.has(address)),
  )
  const met = [...results].flatMap((result) => {
    const rule = rules.find((one) => concerns(one, result))
    return rule ? [[rule, result] as const] : []
  })
  return met.length === results.size ? met : []
}

/** A vague cause beside one that concerns everything of its place and family is that one. */
function absorbed(causes: Map<string, Gathered>): Map<string, Gathered> {
  const wide = [...causes.values()].filter(({ cause }) => OF_ALL.test(cause.key))
  const kept = new Map(causes)
  for (const [key, { cause, results, addresses }] of causes) {
    const met = AT_TARGET.has(cause.code) ? nearTarget(causes.values(), { cause, results, addresses }) : []
    for (const [rule, result] of met) rule.results.add(result)
    if (met.length > 0) {
      kept.delete(key)
      continue
    }
    const into = USES_DNS.test(cause.code)
      ? (keepsFromDns(causes.values(), causes.get(key) as Gathered) ??
        (cause.code === 'DNS_UPSTREAM_BROKEN' ? wide.find((one) => OF_NODE.has(one.cause.code)) : undefined))
      : VAGUE.has(cause.code)
        ? wide.find((one) => [...results].every((result) => concerns(one, result)))
        : undefined
    if (!into) continue
    for (const result of results) into.results.add(result)
    for (const address of addresses) into.addresses.add(address)
    kept.delete(key)
  }
  return kept
}

/** Of the same place and family as something that it explains already. */
const concerns = ({ results }: Gathered, { place, family }: Result): boolean =>
  [...results].some((one) => one.place === place && one.family === family)

/**
 * A check that could not be asked again, for want of time: where all the others of its place and family that were asked have
 * one cause, so has it.
 */
function onlyCause(result: Result, all: readonly Gathered[]): readonly Gathered[] {
  const wide = all.filter((one) => OF_ALL.test(one.cause.key) && concerns(one, result))
  if (wide.length > 0) return wide.slice(0, 1)
  const alike = all.filter((one) => concerns(one, result))
  return alike.length === 1 ? alike : []
}

/** Checks that measure ways to API servers: what else is narrow keeps no handshake with one from its end. */
const TO_API = /\/mtu-(?:api|node)\./

/** A hanging handshake follows from large packets that get lost on the way to the same place. */
function followsFromOther({ cause, addresses }: Gathered, causes: ReadonlyMap<string, Gathered>): boolean {
  if (!/^(TLS_STALLED|HTTP_NO_ANSWER) /.test(cause.key)) return false
  return [...causes.values()].some((other) => isNarrow(other) && leadsThere(other, addresses))
}

const isNarrow = ({ cause }: Gathered): boolean => cause.code.startsWith('PATH_MTU_')
const leadsThere = (narrow: Gathered, addresses: ReadonlySet<string>): boolean =>
  [...narrow.results].some(({ file }) => TO_API.test(file)) || [...narrow.addresses].some((one) => addresses.has(one))

function report(found: readonly Gathered[], about: About, names: Names, all: ReadonlyMap<string, Gathered>): Diagnosis {
  const hanging = [...all.values()].filter((one) => followsFromOther(one, all))
  const mtu = [...all.values()].find(
    (one) => isNarrow(one) && hanging.some(({ addresses }) => leadsThere(one, addresses)),
  )
  const ordered = found.toSorted(
    (a, b) =>
      b.results.size - a.results.size ||
      rankOf(a.cause.code) - rankOf(b.cause.code) ||
      (a.cause.key < b.cause.key ? -1 : 1),
  )
  const findings = ordered.map((one, index): Finding => {
    const results = [...one.results, ...(one === mtu ? hanging.flatMap(({ results: more }) => [...more]) : [])]
    const { key: _, evidence, ...cause } = one.cause
    return {
      id: `${cause.code}-${index + 1}`,
      ...cause,
      evidence: [...alikeEvidence(one, names), ...evidence],
      explains: results.map(({ id }) => id),
      again: again(results, about),
    }
  })
  const follows = new Map<string, string[]>()
  for (const { id, explains } of findings) {
    for (const result of explains) follows.set(result, [...(follows.get(result) ?? []), id])
  }
  return { findings, follows }
}

/** Everybody for whom the cause holds, where its sentence speaks of the first alone. */
function alikeEvidence({ addresses }: Gathered, names: Names): readonly Evidence[] {
  if (addresses.size < 2) return []
  const value = [...addresses].map((address) => called(address, names)).join(', ')
  return [{ kind: 'scalar', name: 'holds for', value }]
}

/** More files than these are asked by their directory. */
const MOST_FILES = 3

/** The command line that asks the explained checks again. */
function again(results: readonly Result[], { source, command }: About): string {
  const files = [...new Set(results.map(({ file }) => file))].sort()
  const pod =
    source && files.some((file) => file.startsWith('checks/pod')) ? `SRC_POD=${source.namespace}/${source.name} ` : ''
  const places = [...new Set(files.map((file) => file.replace(/\/[^/]+$/, '')))]
  return `${pod}${command} ${(files.length > MOST_FILES ? places : files).join(' ')}`
}
