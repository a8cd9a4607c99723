/** The API server by https, without credentials, as any pod would reach it. */
import { addressOf, endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import { askHttps, askHttpsRepeatedly, type HttpsOptions, type HttpsResult } from '../probe/http.ts'
import { judgeEach } from '../probe/judge.ts'
import { judgeClock } from '../probe/state/clock.ts'
import type { Endpoint, Family, Outcome, Plan, Target } from '../types.ts'
import { httpsAnswer } from './answers.ts'
import { families, question } from './question.ts'
import { beyondProxy, sidecarOf } from './sidecar.ts'
import { answerOf, type StateAnswer } from './verdict.ts'
import { askVirtual, pathsLose } from './virtual.ts'

/** The path, and the certificate where it could be verified, as two outcomes. */
export interface HttpsAnswer {
  readonly targets: readonly Target[]
  readonly path: Outcome<void>
  /** Fails with CA_UNKNOWN (inconclusive) when no CA was known to verify against. */
  readonly certificate: Outcome<void>
}

/** Unauthenticated callers may read it on most clusters (system:public-info-viewer); 401 and 403 prove the path as well. */
const PATH = '/livez'

/** Certificates of the API server carry this name; endpoint addresses need not be in them. */
const SERVER_NAME = 'kubernetes.default.svc'

/** Every backend of the ClusterIP of the service kubernetes is met with certainty (attemptsFor). */
export const apiOnClusterIP = question('both', families, async (plan, { family }, place): Promise<HttpsAnswer> => {
  const { clusterIPs, port } = given(plan.api.service)
  const has = `the service kubernetes has ${clusterIPs.join(', ') || 'none'}`
  const address = needed(addressOf(clusterIPs, family), `an ${familyName(family)} ClusterIP`, has)
  const target: Target = {
    role: 'the API server by ClusterIP',
    name: 'kubernetes',
    address,
    family,
    protocol: 'tcp',
    port,
  }
  await sidecarOf(plan, place)
  const results: HttpsResult[] = []
  const ask = async (times: number) => {
    const answers = await askHttpsRepeatedly(target, times, https(plan))
    results.push(...answers)
    return beyondProxy(plan, place, answers.map(httpsAnswer))
  }
  const lossy = async () => place === 'pod' && (await pathsLose(plan, { family }))
  const path = await askVirtual(target, backendsOf(plan, family), ask, lossy)
  return { targets: [target], path, certificate: certificateOf(results) }
})

/** Every address of the EndpointSlices of the service kubernetes. */
export const apiEndpoints = question('both', families, async (plan, { family }, place): Promise<HttpsAnswer> => {
  const targets = endpointsOver(plan, family).map((endpoint) => endpointTarget('an API server endpoint', endpoint))
  await sidecarOf(plan, place)
  const results = await askHttps(targets, https(plan))
  const answers = await beyondProxy(plan, place, results.map(httpsAnswer))
  return { targets, path: judgeEach('API server endpoints', answers), certificate: certificateOf(results) }
})

/** The API server's endpoints of a family; not applicable where it has none. */
export function endpointsOver(plan: Plan, family: Family): readonly Endpoint[] {
  const all = given(plan.api.endpoints)
  const has = `they are ${all.map(({ address }) => address).join(', ') || 'none'}`
  return needed(ofFamily(all, family), `${familyName(family)} endpoints of the API server`, has)
}

/** The server that the kubeconfig names, with the CA and name that the kubeconfig says. Not by family: it has one name. */
export async function kubeconfigServer(plan: Plan): Promise<HttpsAnswer> {
  const { targets, unresolved, results } = await askedByKubeconfig(plan)
  if (unresolved) return { targets: [], path: failed('API_NAME_UNRESOLVED', unresolved), certificate: fine }
  const path = judgeEach('addresses of the API server', results.map(httpsAnswer))
  return { targets, path, certificate: certificateOf(results) }
}

/** This node's clock beside that of every address of that server, by the same answers. */
export async function nodeClock(plan: Plan): Promise<StateAnswer> {
  const { results } = await askedByKubeconfig(plan)
  const readings = results.flatMap(({ target, clock }) => (clock ? [{ server: target.address, clock }] : []))
  return answerOf(judgeClock(readings))
}

interface Asked {
  readonly targets: readonly Target[]
  readonly unresolved: string | undefined
  readonly results: readonly HttpsResult[]
}

const asked = new Map<string, Promise<Asked>>()

/** Once a run. */
function askedByKubeconfig(plan: Plan): Promise<Asked> {
  const known = asked.get(plan.runId) ?? askKubeconfigServer(plan)
  asked.set(plan.runId, known)
  return known
}

async function askKubeconfigServer(plan: Plan): Promise<Asked> {
  const { url, addresses, unresolved, viaProxy, host, port, serverName, ca, insecure } = given(plan.api.server)
  if (viaProxy) throw new NotApplicable('needs a server that is reached directly, the kubeconfig names a proxy-url')
  if (!url.startsWith('https:')) throw new NotApplicable(`needs a server with https, the kubeconfig names ${url}`)
  if (unresolved) return { targets: [], unresolved, results: [] }
  const targets = addresses.map((address): Target => {
    const family = familyOf(address)
    return { role: 'the kubeconfig’s API server', name: host, address, family, protocol: 'tcp', port }
  })
  return { targets, unresolved, results: await askHttps(targets, { path: PATH, ca, serverName, insecure }) }
}

const fine: Outcome<void> = { ok: true, value: undefined, evidence: [] }
const failed = (code: string, detail: string): Outcome<void> => ({ ok: false, code, detail, evidence: [] })

function https(plan: Plan): HttpsOptions {
  const { ca } = plan.api
  return { path: PATH, ca: ca.state === 'known' ? ca.value : null, serverName: SERVER_NAME, insecure: false }
}

function certificateOf(results: readonly HttpsResult[]): Outcome<void> {
  const unverified = results.find(({ tls }) => tls === 'unverified')
  if (!unverified) return fine
  const detail = 'the path is proven, but the certificate could not be verified: no CA of the cluster is known'
  return failed('CA_UNKNOWN', detail)
}

function backendsOf(plan: Plan, family: Family): number {
  const { endpoints } = plan.api
  return endpoints.state === 'known' ? ofFamily(endpoints.value, family).length : 1
}
