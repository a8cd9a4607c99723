/**
 * What NetworkPolicies make of the answers of a check: what a policy denies and nothing reached fails as POLICY_DENIES, or
 * passes where the user expects it (EXPECT_DENIED); what is expected to be denied and was reached fails. Pure.
 */
import { CODES } from './diagnose/codes.ts'
import { familyOf } from './fact.ts'
import type {
  Answer,
  Code,
  ExpectedDenial,
  Fact,
  MissingRule,
  Outcome,
  Plan,
  PolicyFacts,
  PolicyLimit,
  Target,
} from './types.ts'

/** Codes of an answer that a policy's drop or reject would look like. */
const UNREACHED: ReadonlySet<Code> = new Set([
  ...['UNREACHABLE', 'REJECTED', 'NOTHING_LISTENING', 'BACKEND_DEAD', 'DNS_NO_ANSWER', 'UDP_SILENT'],
])

/** An outcome as the policies explain it. */
export interface Explained<T> {
  readonly outcome: Outcome<T>
  /** What to do, where a policy is why. */
  readonly hint?: string
  /** The policy's part in it is no proof of a fault. */
  readonly onlyWarns?: boolean
  /** Targets of which ping need not be answered: their policies allow ports only. */
  readonly spared: number
}

/** Of what a check asked from the pod. An outcome without answers stays as it is. */
export function underPolicy<T>(plan: Plan, outcome: Outcome<T>): Explained<T> {
  const answers = outcome.answers ?? []
  const judged = answers.map((answer) => judge(plan, answer))
  if (judged.every(({ meaning }) => meaning === 'as it is')) return { outcome, spared: 0 }
  const changed = judged.map(({ answer }) => answer)
  const said = sentences(judged)
  const bad = judged.filter(({ answer }) => answer.code !== null)
  const code = commonest(bad.map(({ answer }) => answer.code as Code))
  const apart = code === 'POLICY_DENIES' ? unexplained(bad) : ''
  const spared = judged.filter(({ meaning }) => meaning === 'spared').length
  const { evidence } = outcome
  if (code === undefined) {
    const detail = [said, outcome.ok ? outcome.detail : ''].filter(Boolean).join('; ')
    return {
      outcome: { ok: true, value: (outcome.ok ? outcome.value : undefined) as T, detail, evidence, answers: changed },
      spared,
    }
  }
  const detail = [said, apart, outcome.detail ?? ''].filter(Boolean).join('; ')
  const hint = hintOf(
    judged.filter(({ answer }) => answer.code === code),
    code,
  )
  return {
    outcome: { ok: false, code, detail, evidence, answers: changed },
    ...(hint ? { hint } : {}),
    onlyWarns: bad.every(({ meaning }) => meaning === 'doubtful leak'),
    spared,
  }
}

interface Judged {
  readonly answer: Answer
  readonly meaning: 'as it is' | 'denied' | 'meant' | 'spared' | 'leak' | 'doubtful leak' | 'open' | 'remark'
  readonly limit: PolicyLimit | null
  /** A sentence beside the check's own; null: none. */
  readonly said: string | null
}

function judge(plan: Plan, answer: Answer): Judged {
  const limit = limitFor(plan.policies, answer.target)
  const expected = plan.expectDenied.some((one) => isMeant(one, answer.target, plan))
  const reached = answer.code === null
  if (!reached && !UNREACHED.has(answer.code ?? '') && answer.code !== 'ICMP_FILTERED')
    return { answer, meaning: 'as it is', limit, said: null }
  if (expected) return reached ? leak(plan, answer, limit) : meant(plan, answer, limit)
  if (reached) return { answer, meaning: 'as it is', limit, said: null }
  if (answer.code === 'ICMP_FILTERED') return filteredPing(answer, limit)
  if (limit === null || limit.verdict === 'unsure') return beside(plan, answer, limit)
  return { answer: { ...answer, code: 'POLICY_DENIES' }, meaning: 'denied', limit, said: limit.why }
}

/** Ping is lost where TCP or UDP is answered: a policy that allows ports only may well mean that. */
function filteredPing(answer: Answer, limit: PolicyLimit | null): Judged {
  if (limit === null) return { answer, meaning: 'as it is', limit, said: null }
  return { answer: { ...answer, code: null, excused: true }, meaning: 'spared', limit, said: limit.why }
}

/** Not reached, and no policy surely denies it: what else is known of policies stands beside it. */
function beside(plan: Plan, answer: Answer, limit: PolicyLimit | null): Judged {
  const said = limit?.why ?? unlooked(plan.policies)
  return { answer, meaning: said ? 'remark' : 'as it is', limit, said }
}

/** Expected to be denied, and not reached. */
function meant(plan: Plan, answer: Answer, limit: PolicyLimit | null): Judged {
  const passes = (said: string): Judged => ({
    answer: { ...answer, code: null, said: `denied as expected (${answer.said})`, excused: true },
    ...{ meaning: 'meant', limit, said },
  })
  if (limit?.verdict === 'denied') return passes(`denied as expected: ${limit.why}`)
  const { policies } = plan
  if (policies.state === 'unknown') {
    const said = `whether a policy denies it, as EXPECT_DENIED says, could not be seen: ${policies.reason}`
    return { answer: { ...answer, code: policies.code }, meaning: 'remark', limit, said }
  }
  const others = policies.state === 'known' ? [...policies.value.others, ...policies.value.unseen] : []
  if (limit?.verdict === 'unsure')
    return passes(`not reached, as expected; whether by policy is not certain: ${limit.why}`)
  if (others.length > 0)
    return passes(
      `not reached, as expected; no NetworkPolicy denies it, but ${others.join(', ')} may, which is not evaluated`,
    )
  const said = limit
    ? `EXPECT_DENIED names it, but policies deny only a part: ${limit.why}`
    : 'EXPECT_DENIED names it, but no NetworkPolicy denies it: that it is not reached has another reason'
  return { answer, meaning: 'remark', limit, said }
}

/** Expected to be denied, yet reached. */
function leak(plan: Plan, answer: Answer, limit: PolicyLimit | null): Judged {
  if (limit?.verdict === 'denied' && limit.varies && hasOtherProof(answer.target)) {
    const said = 'ping is answered all the same, as some CNIs let it: TCP and UDP tell whether the policy is enforced'
    return { answer, meaning: 'remark', limit, said }
  }
  if (limit?.verdict === 'denied') {
    const said = `it was reached although ${limit.why}`
    const meaning = limit.varies ? 'doubtful leak' : 'leak'
    return { answer: { ...answer, code: 'POLICY_NOT_ENFORCED' }, meaning, limit, said }
  }
  const why = limit?.why ?? (unlooked(plan.policies) || 'no NetworkPolicy denies it')
  const said = `EXPECT_DENIED names it, but it was reached: ${why}`
  return { answer: { ...answer, code: 'EXPECTED_DENIED_BUT_REACHED' }, meaning: 'open', limit, said }
}

/** Of a pod TCP is asked beside ping; of an external address only ping. */
const hasOtherProof = ({ role, protocol }: Target): boolean => protocol === 'icmp' && roleOf(role) !== 'external'

/** Policies that nobody looked at, as a sentence; empty: there are none. */
function unlooked(policies: Fact<PolicyFacts>): string {
  // without the API much more is unknown, and said elsewhere
  if (policies.state === 'unknown' && policies.code === 'API_FORBIDDEN')
    return `NetworkPolicies could not be read (${policies.reason}), so one may deny it`
  if (policies.state !== 'known') return ''
  const { others, unseen } = policies.value
  if (others.length > 0) return `no NetworkPolicy denies it; ${others.join(', ')} may, which is not evaluated here`
  return unseen.length > 0 ? `no NetworkPolicy denies it; whether there are ${unseen.join(', ')} could not be seen` : ''
}

/** The limit of a target. An IPv6 address may carry its interface. */
export function limitFor(policies: Fact<PolicyFacts>, { address, protocol, port }: Target): PolicyLimit | null {
  if (policies.state !== 'known' || protocol === undefined) return null
  const wanted = protocol === 'icmp' ? null : (port ?? null)
  return byWay(policies.value).get(`${address} ${protocol} ${wanted}`) ?? null
}

const indexes = new WeakMap<PolicyFacts, ReadonlyMap<string, PolicyLimit>>()

function byWay(facts: PolicyFacts): ReadonlyMap<string, PolicyLimit> {
  const known = indexes.get(facts)
  if (known) return known
  const index = new Map(
    facts.limits.flatMap((limit) =>
      limit.addresses.map((address) => [`${address} ${limit.protocol} ${limit.port}`, limit] as const),
    ),
  )
  indexes.set(facts, index)
  return index
}

/** Whether EXPECT_DENIED means a target. */
export function isMeant({ kind, value, port }: ExpectedDenial, target: Target, plan: Plan): boolean {
  if (port !== null && port !== target.port) return false
  if (kind === 'role') return roleOf(target.role) === value
  if (kind === 'address') return target.address === value
  return idsOf(target, plan).some((id) => id === value || id.endsWith(`/${value}`))
}

/** namespace/name of the pod and of the Service that a target stands for. */
function idsOf({ role, name, address }: Target, { destinations, service }: Plan): string[] {
  if (roleOf(role) === 'service') {
    return [name, ...(service.state === 'known' ? [`${service.value.namespace}/${service.value.name}`] : [])]
  }
  if (roleOf(role) !== 'pod') return []
  const pods = Object.values(destinations).flatMap((row) => (row.state === 'known' ? [row.value] : []))
  return pods.filter(({ addresses }) => addresses.includes(address)).map((pod) => `${pod.namespace}/${pod.name}`)
}

/** A target's role as EXPECT_DENIED words it; null: none that it can name. */
function roleOf(role: string): 'pod' | 'service' | 'dns' | 'api' | 'external' | null {
  if (/DNS|nameserver/.test(role)) return 'dns'
  if (/API server/.test(role)) return 'api'
  if (/external/.test(role)) return 'external'
  if (/service|ready endpoint/.test(role)) return 'service'
  return /destination pod|peer pod/.test(role) ? 'pod' : null
}

const MOST = 3

function sentences(judged: readonly Judged[]): string {
  const all = [...new Set(judged.flatMap(({ said }) => said ?? []))]
  const more = all.length > MOST ? [`and ${all.length - MOST} more`] : []
  return [...all.slice(0, MOST), ...more].join('; ')
}

/** What failed beside what a policy denies must not be lost in it. */
function unexplained(bad: readonly Judged[]): string {
  const others = bad.filter(({ answer }) => answer.code !== 'POLICY_DENIES').map(({ answer }) => answer)
  const named = others
    .slice(0, MOST)
    .map(({ target, code, said }) => `${target.name} ${target.address}: ${code}, ${said}`)
  const more = others.length > MOST ? ` and ${others.length - MOST} more` : ''
  return others.length > 0 ? `no policy denies ${named.join('; ')}${more}, which failed too` : ''
}

/** The code that most share; one that only says "could not look" never hides one that proves a fault. */
function commonest(codes: readonly Code[]): Code | undefined {
  const proving = codes.filter((code) => CODES[code]?.kind !== 'inconclusive')
  const counted = new Map<Code, number>()
  for (const code of proving.length > 0 ? proving : codes) counted.set(code, (counted.get(code) ?? 0) + 1)
  return [...counted].sort(([, a], [, b]) => b - a)[0]?.[0]
}

function hintOf(judged: readonly Judged[], code: Code): string | null {
  if (code !== 'POLICY_DENIES') return null
  const rules = judged.flatMap(({ limit }) => limit?.missing ?? [])
  const steps = joined(rules).map(addRule)
  return `${steps.join(' ')} If it is meant to be denied, say so: EXPECT_DENIED.`
}

interface JoinedRule extends Omit<MissingRule, 'peer'> {
  readonly peers: readonly MissingRule['peer'][]
}

/** Rules for one policy: ports of one peer together, then peers of the same ports. */
export function joined(rules: readonly MissingRule[]): JoinedRule[] {
  const byPeer = merge(
    rules.map(({ peer, ...rule }) => ({ ...rule, peers: [peer] })),
    ({ direction, namespace, policy, peers, ports }) => [direction, namespace, policy, peers, ports.length > 0],
    (one, other) => ({ ...one, ports: distinct([...one.ports, ...other.ports]) }),
  )
  return merge(
    byPeer,
    ({ direction, namespace, policy, ports }) => [direction, namespace, policy, ports],
    (one, other) => ({ ...one, peers: distinct([...one.peers, ...other.peers]) }),
  )
}

function merge(
  rules: readonly JoinedRule[],
  keyOf: (rule: JoinedRule) => unknown,
  join: (one: JoinedRule, other: JoinedRule) => JoinedRule,
): JoinedRule[] {
  const found = new Map<string, JoinedRule>()
  for (const rule of rules) {
    const key = JSON.stringify(keyOf(rule))
    const known = found.get(key)
    found.set(key, known ? join(known, rule) : rule)
  }
  return [...found.values()]
}

const distinct = <T>(list: readonly T[]): T[] => [...new Map(list.map((item) => [JSON.stringify(item), item])).values()]

/** The missing rule as YAML, and the command that adds it. */
function addRule({ direction, namespace, policy, hasRules, peers, ports }: JoinedRule): string {
  const rule = { [direction === 'egress' ? 'to' : 'from']: peers, ...(ports.length > 0 ? { ports } : {}) }
  const patch = [
    hasRules
      ? { op: 'add', path: `/spec/${direction}/-`, value: rule }
      : { op: 'add', path: `/spec/${direction}`, value: [rule] },
  ]
  const command = `kubectl -n ${namespace} patch networkpolicy ${policy} --type=json -p '${JSON.stringify(patch)}'`
  return `Add to spec.${direction} of NetworkPolicy ${namespace}/${policy} the rule \`- ${yaml(rule)}\`, by \`${command}\`.`
}

/** YAML's flow style: one line that can be pasted into a manifest. */
export function yaml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yaml).join(', ')}]`
  if (value !== null && typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${scalar(key)}: ${yaml(item)}`)
      .join(', ')}}`
  return typeof value === 'string' ? scalar(value) : JSON.stringify(value)
}

/** Words that YAML reads as something else than text are quoted. */
function scalar(text: string): string {
  const plain = /^[A-Za-z][\w./-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text)
  return plain ? text : JSON.stringify(text)
}

/** A link-local address (NodeLocal DNSCache) is asked only as a nameserver: of others nothing need be said. */
export function ofNameservers(policies: Fact<PolicyFacts>, nameservers: readonly string[]): Fact<PolicyFacts> {
  if (policies.state !== 'known') return policies
  const unasked = (address: string) => address.startsWith('169.254.') && !nameservers.includes(address)
  const limits = policies.value.limits.filter(({ addresses }) => !addresses.every(unasked))
  return { state: 'known', value: { ...policies.value, limits } }
}

/** What the report says of policies beside the checks. */
export function policyNotes(policies: Fact<PolicyFacts>): string[] {
  if (policies.state === 'absent') return []
  if (policies.state === 'unknown') return [`NetworkPolicies are not known: ${policies.reason}`]
  const { egress, ingress, limits, others, unseen } = policies.value
  const named = [...new Set([...egress, ...ingress])].sort()
  const denied = limits.filter(({ verdict }) => verdict !== 'unsure')
  const families = new Set(denied.flatMap(({ addresses }) => addresses.map(familyOf)))
  return [
    ...(named.length > 0 ? [`NetworkPolicies select the source pod: ${named.join(', ')}`] : []),
    ...(denied.length > 0
      ? [
          `NetworkPolicies deny some of what the checks try, over ${[...families]
            .sort()
            .map((one) => `IPv${one}`)
            .join(' and ')}`,
        ]
      : []),
    ...(others.length > 0 ? [`policies that are not evaluated here exist: ${others.join(', ')}`] : []),
    ...(unseen.length > 0 ? [`whether there are ${unseen.join(', ')} could not be seen`] : []),
  ]
}
