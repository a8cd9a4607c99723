/** Cluster DNS as the pod uses it: its own resolv.conf, every nameserver, UDP and TCP; and every replica by itself. */

import { endpointTarget, familyName, given, needed, ofFamily } from '../fact.ts'
import { CheckFailure } from '../failure.ts'
import { askDns } from '../probe/dns.ts'
import { allOf, judgeEach, nameOf } from '../probe/judge.ts'
import type { Answer, Endpoint, Outcome, Plan, Target } from '../types.ts'
import { dnsAnswer } from './answers.ts'
import { askAll, askNameserver, isLoss } from './dns-ask.ts'
import { namedCauses, otherDomain } from './dns-cause.ts'
import { blockedOutcomes, blockedProtocols, together } from './dns-judge.ts'
import { clusterNameservers, type Expected, kubernetesName, nameserver, serviceName } from './dns-names.ts'
import { sourceHas } from './pod.ts'
import { type Asking, families, question } from './question.ts'
import { beyondProxy, sidecarOf } from './sidecar.ts'

export interface DnsAnswer {
  readonly targets: readonly Target[]
  readonly answered: Outcome<void>
}

export interface ReplicaAnswer extends DnsAnswer {
  /** Queries with EDNS: DNS_EDNS_BROKEN where only plain ones are answered. */
  readonly edns: Outcome<void>
}

/** kubernetes.default from every nameserver of the pod, over UDP and TCP. */
export const dnsKubernetes = question(
  'pod',
  families,
  async (plan, row): Promise<DnsAnswer> => fromNameservers(plan, row, kubernetesName(plan)),
)

/** The destination service from every nameserver of the pod, over UDP and TCP. */
export const dnsService = question(
  'pod',
  families,
  async (plan, row): Promise<DnsAnswer> => fromNameservers(plan, row, serviceName(plan)),
)

/** kubernetes.default from every ready replica of the cluster's DNS, by its own address, over UDP, TCP and with EDNS. */
export const dnsReplicas = question('pod', families, async (plan, row): Promise<ReplicaAnswer> => {
  const expected = kubernetesName(plan)
  sourceHas(plan, row)
  const ready = readyReplicas(plan)
  const found = [...new Set(ready.map(({ family }) => familyName(family)))].join(' and ')
  const asked = needed(
    ofFamily(ready, row.family),
    `${familyName(row.family)} replicas of the cluster's DNS`,
    found ? `${given(plan.dns).service} has only ${found}` : 'it has none, and the pod does not use it',
  )
  const targets = asked.map((replica) => endpointTarget('a DNS replica', replica))
  await sidecarOf(plan, 'pod')
  const [plain, edns] = await Promise.all([askAll(targets, expected), askEdns(targets, expected)])
  const answers = await beyondProxy(plan, 'pod', plain)
  const perTarget = targets.map((target) => together(answers.filter((answer) => answer.target === target)))
  const told = await Promise.all(
    blockedProtocols(perTarget).map(async (answer) => ((await isLoss(answer, expected)) ? asSilence(answer) : answer)),
  )
  const served = await otherDomain(plan, told)
  const judged = judgeEach('DNS replica ports', told)
  return {
    targets,
    answered: served && !judged.ok ? { ...judged, ...served } : judged,
    edns: judgeEdns(edns, perTarget),
  }
})

const asSilence = (answer: Answer): Answer => ({
  ...answer,
  code: 'DNS_NO_ANSWER',
  said: 'a query got no answer, others of its kind did',
})

/** A DNS service that the pod depends on and that nobody stands behind is the fault itself. */
function readyReplicas(plan: Plan): Endpoint[] {
  const { replicas, service, clusterIPs } = given(plan.dns)
  const ready = replicas.filter((replica) => replica.ready)
  const { nameservers } = given(given(plan.source).resolv)
  const [used] = nameservers.filter((address) => clusterIPs.includes(address))
  if (ready.length > 0 || used === undefined) return ready
  throw new CheckFailure('NO_READY_ENDPOINTS', `${service}, the pod's nameserver ${used}, has no ready replica`)
}

/** The first name over UDP once more, as a resolver that knows EDNS asks it. */
async function askEdns(targets: readonly Target[], { name }: Expected): Promise<readonly Answer[]> {
  const udp = targets.filter(({ protocol }) => protocol !== 'tcp')
  const results = await askDns(udp, { name, type: 'A', edns: true })
  return results.map((result) => dnsAnswer(result, 'any'))
}

/** A server that answers plain queries well, and the same query with EDNS not. */
function judgeEdns(edns: readonly Answer[], plain: readonly Answer[]): Outcome<void> {
  const answersPlain = (target: Target) => plain.some((one) => one.target === target && one.code === null)
  const broken = edns.filter(({ code, target }) => code !== null && answersPlain(target))
  if (broken.length === 0) return { ok: true, value: undefined, evidence: [] }
  const answers = broken.map((answer): Answer => ({ ...answer, code: 'DNS_EDNS_BROKEN' }))
  const said = answers.map((answer) => `${nameOf(answer.target)}: with EDNS ${answer.said}`).join('; ')
  return { ok: false, code: 'DNS_EDNS_BROKEN', detail: `plain queries are answered; ${said}`, evidence: [] }
}

async function fromNameservers(plan: Plan, row: Asking, expected: Expected): Promise<DnsAnswer> {
  const servers = clusterNameservers(plan, row)
  const targets = servers.flatMap((address) => [nameserver(address, 'udp'), nameserver(address, 'tcp')])
  await sidecarOf(plan, 'pod')
  const judged = await Promise.all(targets.map((target) => askNameserver(plan, row, target, expected)))
  const told = blockedOutcomes(judged).map(async (outcome, index) => {
    const plain = judged[index] ?? outcome
    const [answer] = outcome.answers ?? []
    return outcome !== plain && answer && (await isLoss(answer, expected)) ? plain : outcome
  })
  const outcomes = await namedCauses(plan, await Promise.all(told))
  const answered = allOf(outcomes)
  return { targets, answered: answered.ok ? { ...answered, detail: summaryOf(servers, expected) } : answered }
}

function summaryOf(servers: readonly string[], { records }: Expected): string {
  const shown = records.map(({ type, values }) => `${type} ${values === null ? 'any' : values.join(', ') || 'none'}`)
  return `${servers.join(', ')} answered as expected over UDP and TCP: ${shown.join('; ')}`
}
