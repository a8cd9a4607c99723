/** Why a nameserver does not know the cluster's names: it is another one, nobody stands behind it, it serves another domain. */
import { reverseName } from '../packet/dns.ts'
import { askDns } from '../probe/dns.ts'
import type { Answer, Code, Outcome, Plan } from '../types.ts'
import { askAll } from './dns-ask.ts'
import { clusterDomain, kubernetesName, nameserver } from './dns-names.ts'

/** Failures of a nameserver that is not the cluster's, or of one that serves another domain, by their cause. */
export async function namedCauses(plan: Plan, outcomes: readonly Outcome<void>[]): Promise<readonly Outcome<void>[]> {
  const failed = outcomes.flatMap(({ answers = [] }) => answers.filter(({ code }) => code !== null))
  if (failed.length === 0) return outcomes
  const served = await otherDomain(plan, failed)
  const told = outcomes.map(async (outcome) => {
    const [answer] = outcome.answers ?? []
    if (outcome.ok || !answer) return outcome
    const other = SPOKEN.has(outcome.code) ? served : null
    const cause = (await strangerCause(plan, answer)) ?? nobodyBehind(plan, answer) ?? other
    return cause ? { ...outcome, ...cause, answers: [{ ...answer, code: cause.code }] } : outcome
  })
  return Promise.all(told)
}

interface Cause {
  readonly code: Code
  readonly detail: string
}

/**
 * The nameserver is neither an address of the cluster's DNS service nor one of its replicas, and that service does know the name:
 * a cache on the node (NodeLocal DNSCache) is not to blame for what is broken behind it.
 */
async function strangerCause(plan: Plan, { target, said }: Answer): Promise<Cause | null> {
  if (plan.dns.state !== 'known') return null
  const { clusterIPs, replicas, service } = plan.dns.value
  if ([...clusterIPs, ...replicas.map(({ address }) => address)].includes(target.address)) return null
  const own = clusterIPs.map((address) => nameserver(address, 'udp'))
  const answers = await askAll(own, kubernetesName(plan))
  const knowing = own.find((one) => answers.every((answer) => answer.target !== one || answer.code === null))
  if (knowing === undefined) return null
  const detail = `nameserver ${target.address} of the pod is not the cluster's DNS (${service}, ${knowing.address}, which knows its names): ${said}`
  return { code: 'DNS_NAMESERVER_WRONG', detail }
}

/** The nameserver is the cluster's DNS service, and that has no ready replica: what is said of it then is chance. */
function nobodyBehind({ dns }: Plan, { target, said }: Answer): Cause | null {
  if (dns.state !== 'known') return null
  const { clusterIPs, replicas, service } = dns.value
  if (!clusterIPs.includes(target.address) || replicas.some(({ ready }) => ready)) return null
  return {
    code: 'NO_READY_ENDPOINTS',
    detail: `${service}, the pod's nameserver ${target.address}, has no ready replica: ${said}`,
  }
}

/** Codes of a server that is there and does not know the name. */
const SPOKEN: ReadonlySet<Code> = new Set(['DNS_NXDOMAIN', 'DNS_SERVFAIL', 'DNS_REFUSED', 'DNS_WRONG_ANSWER'])

/**
 * Whether servers that do not know kubernetes.default know it in another domain: that is what they call its ClusterIP. null:
 * they do not, or were not asked.
 */
export async function otherDomain(plan: Plan, answers: readonly Answer[]): Promise<Cause | null> {
  const spoken = answers.filter(({ code, target }) => SPOKEN.has(code ?? '') && target.protocol !== 'tcp')
  const address = plan.api.service.state === 'known' ? plan.api.service.value.clusterIPs[0] : undefined
  if (spoken.length === 0 || address === undefined) return null
  const name = reverseName(address)
  const results = await askDns(
    spoken.map(({ target }) => target),
    { name, type: 'PTR' },
  )
  const prefix = 'kubernetes.default.svc.'
  const domain = clusterDomain(plan)
  const served = results
    .flatMap(({ names }) => names)
    .flatMap((one) => (one.startsWith(prefix) ? one.slice(prefix.length) : []))
  const [other] = served
  if (other === undefined || served.includes(domain)) return null
  const detail = `the pod searches the cluster domain ${domain}, the cluster's DNS serves ${other}: it calls ${address} ${prefix}${other}`
  return { code: 'DNS_DOMAIN_WRONG', detail }
}
