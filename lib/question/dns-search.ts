/** Names as the pod's own resolver finds them: its search list, step by step; a name of the cluster, and one outside of it. */
import { given } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import { libcInNamespace } from '../node/libc.ts'
import { askDns, type DnsResult } from '../probe/dns.ts'
import { allOf } from '../probe/judge.ts'
import type { Answer, Code, Outcome, Plan, Target } from '../types.ts'
import { dnsKubernetes } from './dns.ts'
import { askForwarded } from './dns-ask.ts'
import { anyAddress, clusterDomain, clusterNameservers, nameserver } from './dns-names.ts'
import {
  DEAR_MS,
  ends,
  judgeWalk,
  type Libc,
  type Step,
  type StepAnswer,
  type StepState,
  searchSteps,
  type WalkVerdict,
} from './dns-walk.ts'
import { type Asking, families, question } from './question.ts'

export interface SearchAnswer extends WalkVerdict {
  readonly targets: readonly Target[]
}

const SHORT_NAME = 'kubernetes.default'

/** kubernetes.default by the pod's search list: must end at the API's ClusterIP. */
export const dnsSearch = question('pod', families, async (plan, row): Promise<SearchAnswer> => {
  clusterDomain(plan)
  const { ndots } = given(given(plan.source).resolv)
  const libc = libcOf(plan, ndots <= 1)
  if (libc === 'musl' && ndots <= 1) {
    throw new NotApplicable(`needs ndots above 1, it is ${ndots}: musl does not search for ${SHORT_NAME} then`)
  }
  const { usable, broken, halfDead, targets } = await usableNameservers(plan, row)
  if (broken) return { targets, answered: broken, remarks: OK }
  const { service } = plan.api
  const expected = service.state === 'known' ? service.value.clusterIPs : null
  let walked = await walk(plan, SHORT_NAME, usable, libc, expected)
  // each try of one step may have met the dead replica, which is the other checks' finding
  for (let again = 0; again < MOST_WALKS && halfDead && !walked.answered.ok; again++) {
    walked = await walk(plan, SHORT_NAME, usable, libc, expected)
  }
  return { targets, ...walked }
})

const MOST_WALKS = 2

/** The external name by the pod's nameservers, in full and by the search list. */
export const dnsExternal = question('pod', families, async (plan, row): Promise<SearchAnswer> => {
  const name = given(plan.externalName)
  clusterDomain(plan)
  const { usable, targets } = await usableNameservers(plan, row)
  const cluster = (await dnsKubernetes(plan, 'pod', row)).answered
  const outcomes = await Promise.all(
    targets.map(async (target) => {
      const own = (cluster.answers ?? []).find((one) => isSame(one.target, target))
      const outcome = await askForwarded(plan, row, target, { ...anyAddress(`${name}.`), outside: true }, own)
      return outcome.ok ? outcome : { ...outcome, ...upstreamCause(name, outcome, own) }
    }),
  )
  const answered = allOf(outcomes)
  if (!answered.ok || usable.length === 0) return { targets, answered, remarks: OK }
  const { ndots } = given(given(plan.source).resolv)
  const walked = await walk(plan, name, usable, libcOf(plan, name.split('.').length - 1 >= ndots), null)
  return { targets, ...walked, answered: allOf([answered, walked.answered]) }
})

const OK: Outcome<void> = { ok: true, value: undefined, evidence: [] }

/** Codes of a server that is itself well enough to say something. */
const ALIVE: ReadonlySet<Code | null> = new Set([null, 'DNS_NXDOMAIN', 'DNS_WRONG_ANSWER', 'DNS_DOMAIN_WRONG'])

/** Who is to blame for a name outside the cluster: what the server says of the cluster's own names tells. Pure. */
export function upstreamCause(
  name: string,
  outcome: Extract<Outcome<void>, { ok: false }>,
  cluster: Answer | undefined,
): { code: Code; detail: string } {
  const { code, detail } = outcome
  const own = cluster?.code ?? null
  if (!ALIVE.has(own)) {
    return { code: own ?? code, detail: `${detail}; the cluster's own names fail there as well: ${cluster?.said}` }
  }
  if (code === 'DNS_NXDOMAIN' || code === 'DNS_WRONG_ANSWER') return { code, detail }
  const of = own === null ? "the cluster's own names are answered" : 'it answers other names'
  return { code: 'DNS_UPSTREAM_BROKEN', detail: `${name} does not resolve, while ${of}: ${detail}` }
}

const isSame = (a: Target, b: Target): boolean => a.address === b.address && a.protocol === b.protocol

interface Nameservers {
  readonly targets: readonly Target[]
  /** Those that know the cluster's names over UDP, as libc asks them. */
  readonly usable: readonly Target[]
  /** Why none is; null: one is. */
  readonly broken: Outcome<void> | null
  /** One of several replicas behind one of them is dead. */
  readonly halfDead: boolean
}

async function usableNameservers(plan: Plan, row: Asking): Promise<Nameservers> {
  const targets = clusterNameservers(plan, row).map((address) => nameserver(address, 'udp'))
  const { answered } = await dnsKubernetes(plan, 'pod', row)
  const about = (answered.answers ?? []).filter((one) => targets.some((target) => isSame(target, one.target)))
  // of several replicas behind the address one is dead: the search itself goes on with the others
  const [bad] = about.filter(({ code }) => code !== null && code !== 'BACKEND_DEAD')
  const usable = targets.filter((target) => {
    const code = about.find((one) => isSame(one.target, target))?.code ?? null
    return code === null || code === 'BACKEND_DEAD'
  })
  const halfDead = about.some(({ code }) => code === 'BACKEND_DEAD')
  if (usable.length > 0 || !bad?.code) return { targets, usable, broken: null, halfDead }
  const detail = `no nameserver knows the cluster's names: ${bad.target.address}: ${bad.said}`
  return { targets, usable, broken: { ok: false, code: bad.code, detail, evidence: [], answers: about }, halfDead }
}

/** Only where it matters, because every process of the machine is looked at for it. */
function libcOf(plan: Plan, matters: boolean): Libc {
  const { hostNetwork, netns } = given(plan.source)
  return (matters && !hostNetwork ? libcInNamespace(netns) : null) ?? 'glibc'
}

/** Walks the search list. A step that ends the search for musl alone makes it worth to know whether that is what the pod runs. */
async function walk(
  plan: Plan,
  name: string,
  servers: readonly Target[],
  libc: Libc,
  expected: readonly string[] | null,
): Promise<WalkVerdict> {
  const steps: StepAnswer[] = []
  let running = libc
  for (const step of searchSteps(name, given(given(plan.source).resolv), libc)) {
    const answer = await askStep(servers, step)
    steps.push(answer)
    if (ends(answer, 'musl') && !ends(answer, running)) running = libcOf(plan, true)
    if (ends(answer, running)) break
  }
  const settled = await askedAgain(servers, steps)
  return judgeWalk(name, settled, running, expected, await singleMs(servers, settled))
}

/** One dead replica of two takes each repeat with a chance of a half: four queries, asked so often, do not all meet it. */
const STEP_ROUNDS = 3

/** One step from the nameservers in order: the next is asked when one fails, as glibc does. */
async function askStep(servers: readonly Target[], step: Step): Promise<StepAnswer> {
  let queries = 0
  let answer: StepAnswer = { ...step, state: 'silent', addresses: [], said: 'no answer', ms: null, queries }
  for (const server of servers) {
    for (let round = 0; round < STEP_ROUNDS; round++) {
      const results = await askBoth(server, step.name)
      queries += results.length
      answer = { ...step, ...readStep(results), queries }
      if (answer.state !== 'silent') break
    }
    if (answer.state === 'found' || answer.state === 'none') break
  }
  return answer
}

const askBoth = async (server: Target, name: string): Promise<readonly DnsResult[]> =>
  (await Promise.all((['A', 'AAAA'] as const).map((type) => askDns([server], { name, type })))).flat()

/** What the two answers are to the resolver. Pure. */
export function readStep(results: readonly DnsResult[]): Omit<StepAnswer, keyof Step | 'queries'> {
  const addresses = results.flatMap((result) => result.addresses)
  const dead = results.filter(({ state }) => state !== 'answered')
  const times = results.flatMap(({ ms }) => ms ?? [])
  const ms = dead.length > 0 || times.length === 0 ? null : Math.max(...times)
  const as = (state: StepState, said: string) => ({ state, addresses, said, ms })
  if (dead.length > 0) return as('silent', `no answer to ${dead.map(({ question }) => question.type).join(' and ')}`)
  const of = (meaning: DnsResult['meaning']) => results.some((result) => result.meaning === meaning)
  if (of('servfail')) return as('servfail', 'SERVFAIL')
  if (addresses.length > 0) return as('found', addresses.join(', '))
  if (of('refused') || of('other')) return as('refused', [...new Set(results.map(({ rcode }) => rcode))].join(', '))
  return as('none', of('nxdomain') ? 'NXDOMAIN' : 'no address')
}

const beforeLast = (steps: readonly StepAnswer[]): number =>
  steps.slice(0, -1).reduce((sum, { ms }) => sum + (ms ?? 0), 0)

/** Of a slow search each step's quicker answer of two: what a cache keeps, or a busy machine delayed once, is no cost of the search. */
async function askedAgain(servers: readonly Target[], steps: readonly StepAnswer[]): Promise<readonly StepAnswer[]> {
  if (beforeLast(steps) < DEAR_MS) return steps
  const again: StepAnswer[] = []
  for (const step of steps.slice(0, -1)) {
    const { ms } = step.ms === null ? step : await askStep(servers, step)
    again.push({ ...step, ms: step.ms === null || ms === null ? step.ms : Math.min(step.ms, ms) })
  }
  return [...again, ...steps.slice(-1)]
}

const SINGLES = 3

/** How long one query of the name that was found takes at most: only asked where a search took long enough to be judged. */
async function singleMs(servers: readonly Target[], steps: readonly StepAnswer[]): Promise<number> {
  const last = steps.at(-1)
  const [server] = servers
  if (beforeLast(steps) < DEAR_MS || server === undefined || last?.state !== 'found') return 0
  const times: number[] = []
  for (let turn = 0; turn < SINGLES; turn++) {
    const results = await askBoth(server, last.name)
    times.push(...results.flatMap(({ ms }) => ms ?? []))
  }
  return Math.max(0, ...times)
}
