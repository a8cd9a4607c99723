/**
 * The set-up of a run, once, in the main process: settings, Kubernetes and the container runtime meet here and nowhere else.
 * It never throws at the user: what cannot be found out is an unknown fact of the plan, with its reason, and only the checks
 * that need it are inconclusive.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import type { TestProject } from 'vitest/node'
import { addressPools, fileSystemOfNode } from './address-pool.ts'
import { environmentFacts } from './environment.ts'
import type { ClusterFacts, PodObject } from './kube/index.ts'
import { missingCapabilities } from './netns/capabilities.ts'
import { currentNamespace, enterNamespace, NamespaceError } from './netns/index.ts'
import { ofNameservers, policyNotes } from './policy.ts'
import { gateOf } from './report/gate.ts'
import { planLines } from './report/plan.ts'
import { parseResolvConf } from './resolv.ts'
import { type ParsedSettings, publicSettings, readSettings, type Settings } from './settings.ts'
import { type LookupOptions, locateSource, namespaceOf, prepareLookup } from './source.ts'
import type { DestinationRow, Fact, Obstacle, Plan, PodTarget, ResolvConf, Source } from './types.ts'

type Unknown = Extract<Fact<never>, { state: 'unknown' }>

/** Vitest's globalSetup: provides the plan to every worker, and shows it in a dry run (`vitest list`). */
export default async function setup(project: TestProject): Promise<void> {
  const gate = gateOf(project.vitest)
  const read = readSettings()
  const parsed = { ...read, problems: [...read.problems, ...(gate?.inputProblems ?? [])] }
  const plan = await planOf(parsed, { podNamed: gate?.podNamed ?? false, blocked: gate?.blocked })
  project.provide('plan', plan)
  gate?.planned(plan)
  // the reports hold them as notes, the dry run prints those
  if (gate?.running) for (const { text } of parsed.hints) process.stderr.write(`${text}\n`)
  if (!gate?.running) process.stdout.write(`${gate ? gate.shown(planLines(plan), plan) : planLines(plan)}\n\n`)
}

interface Circumstances {
  /** The command line named pod checks: then a missing SRC_POD is no reason to skip them. */
  readonly podNamed: boolean
  /** Why nothing may be asked at all. */
  readonly blocked: Unknown | undefined
}

/** The plan of a run: settings first, then all that can be found out. Never throws. */
export async function planOf(parsed: ParsedSettings, circumstances: Circumstances): Promise<Plan> {
  const { settings } = parsed
  const blocked = circumstances.blocked ?? unusable(parsed)
  if (blocked) return withoutFacts(settings, blocked)
  try {
    return await readPlan(parsed, circumstances.podNamed)
  } catch (error) {
    if (error instanceof NamespaceError) return withoutFacts(settings, unknown(error.code, error.message, error.hint))
    const reason = `the set-up broke: ${String((error as Error)?.message ?? error).split('\n')[0]}`
    return withoutFacts(settings, unknown('SETUP_FAILED', reason, 'Please report this with the settings shown.'))
  }
}

async function readPlan({ settings, hints }: ParsedSettings, podNamed: boolean): Promise<Plan> {
  if (settings.nodeNetns) await enterNamespace(settings.nodeNetns)
  const netns = currentNamespace()
  const addresses = localAddresses()
  const { readClusterFacts } = await import('./kube/index.ts')
  const reading = readClusterFacts(settings, { addresses, hostname: hostname() })
  if (settings.sourcePod !== null) prepareLookup()
  const facts = await reading
  const node = facts.node.object.state === 'known' ? facts.node.object.value : null
  const lookup: LookupOptions = {
    endpoint: settings.runtimeEndpoint,
    runtimeVersion: node?.runtimeVersion ?? null,
    nodeNetns: netns,
    nodeNetnsPath: settings.nodeNetns,
  }
  const [source, destinations, pools] = await Promise.all([
    readSource(settings, facts, lookup, podNamed),
    withNamespaces(facts, lookup),
    addressPools({ node: facts.node.object, pods: facts.podsHere }, settings, lookup),
  ])
  const resolv = source.state === 'known' ? source.value.resolv : source
  const policies = ofNameservers(facts.policies, resolv.state === 'known' ? resolv.value.nameservers : [])
  return {
    ...about(settings),
    peerNode: facts.peerNode,
    clusterNodes: facts.clusterNodes,
    node: {
      name: facts.node.name,
      nameFrom: facts.node.nameFrom,
      netnsPath: settings.nodeNetns,
      netns,
      internalIPs: node?.internalIPs ?? [],
      addressMatches:
        node && node.internalIPs.length > 0 ? node.internalIPs.some((ip) => addresses.includes(ip)) : null,
      podCIDRs: node?.podCIDRs ?? [],
      kubeletPort: node?.kubeletPort ?? null,
    },
    api: facts.api,
    source,
    destinations,
    service: facts.service,
    ownService: facts.ownService,
    dns: facts.dns,
    policies,
    addressPools: pools,
    external: externalFacts(settings),
    externalName: externalName(settings),
    peers: settings.peers,
    notes: [...facts.notes, ...sourceNotes(source), ...policyNotes(policies), ...hints.map(({ text }) => text)],
    environment: environmentFacts({
      cluster: facts.api.cluster,
      runtimeVersion: node?.runtimeVersion ?? null,
      dns: facts.dns,
      root: fileSystemOfNode(settings.nodeNetns),
    }),
    obstacles: missingCapabilities().map(({ name, for: what }) => lacks(name, what)),
  }
}

/** Codes that say nothing about the pod: the runtime may still know it. */
const API_IS_AWAY = /^(API_|KUBE|CREDENTIALS_)/

/** The source pod's namespace: by the API's object where there is one, else by the runtime alone. */
async function readSource(
  settings: Settings,
  facts: ClusterFacts,
  lookup: LookupOptions,
  podNamed: boolean,
): Promise<Fact<Source>> {
  const pod = facts.source
  if (pod.state === 'absent') {
    if (!podNamed) return pod
    return unknown('SRC_POD_NOT_SET', 'SRC_POD is not set', 'Name the pod to ask from: SRC_POD=namespace/name.')
  }
  if (pod.state === 'unknown' && !API_IS_AWAY.test(pod.code)) return pod
  const object: PodObject | null = pod.state === 'known' ? pod.value : null
  const located = await locateSource(settings, object, lookup)
  // Without the API and without a runtime's answer, both reasons matter; the API's came first.
  if (located.state !== 'known') return object || pod.state !== 'unknown' ? located : bothReasons(pod, located)
  const { value } = located
  return {
    state: 'known',
    value: {
      namespace: value.namespace,
      name: value.name,
      uid: object?.uid ?? value.uid,
      addresses: object && object.addresses.length > 0 ? object.addresses : value.addresses,
      hostNetwork: value.hostNetwork,
      netnsPath: value.netnsPath,
      netns: value.netns,
      pid: value.pid,
      foundBy: value.foundBy,
      dnsPolicy: object?.dnsPolicy ?? null,
      resolv: readResolvConf(value.pid),
      workload: object?.workload ? `${object.workload.kind}/${object.workload.name}` : null,
    },
  }
}

/** Destination pods on this node, with their own network namespaces: the way back is asked from there. */
async function withNamespaces(
  { destinations, node }: ClusterFacts,
  lookup: LookupOptions,
): Promise<Plan['destinations']> {
  const located = async (fact: Fact<PodTarget>): Promise<Fact<PodTarget>> => {
    if (fact.state !== 'known' || fact.value.node !== node.name || fact.value.hostNetwork) return fact
    return { state: 'known', value: { ...fact.value, namespaceHere: await namespaceOf(fact.value, lookup) } }
  }
  const rows = Object.entries(destinations).map(async ([row, fact]) => [row, await located(fact)] as const)
  return Object.fromEntries(await Promise.all(rows)) as Record<DestinationRow, Fact<PodTarget>>
}

function bothReasons(api: Unknown, runtime: Fact<unknown>): Fact<never> {
  if (runtime.state !== 'unknown') return api
  return unknown(runtime.code, `${runtime.reason} (and the API could not be asked: ${api.reason})`, runtime.hint)
}

/** The pod's own resolv.conf, through a process of the pod: reading it needs CAP_SYS_PTRACE. */
function readResolvConf(pid: number | null): Fact<ResolvConf> {
  if (pid === null)
    return unknown('NAMESPACE_GONE', 'no process of the pod is known, so its resolv.conf cannot be read', '')
  const path = `/proc/${pid}/root/etc/resolv.conf`
  try {
    return { state: 'known', value: parseResolvConf(readFileSync(path, 'utf8')) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
    if (code === 'ENOENT' && existsSync(`/proc/${pid}/root`))
      return { state: 'absent', need: 'a resolv.conf in the pod', finding: 'it has none' }
    if (code === 'ENOENT')
      return unknown(
        'NAMESPACE_GONE',
        `the pod's process ${pid} ended, so its resolv.conf cannot be read`,
        'Run again.',
      )
    const hint = 'Run as root with CAP_SYS_PTRACE.'
    return unknown('PERMISSION_MISSING', `the pod's resolv.conf may not be read (${code} on ${path})`, hint)
  }
}

function externalFacts({ external }: Settings): Plan['external'] {
  const fact = (address: string | null, family: string): Fact<string> =>
    address === null
      ? { state: 'absent', need: `EXTERNAL_IP with an ${family} address`, finding: 'not set' }
      : { state: 'known', value: address }
  return { ipv4: fact(external.ipv4, 'IPv4'), ipv6: fact(external.ipv6, 'IPv6') }
}

const externalName = ({ externalName: name }: Settings): Fact<string> =>
  name === null ? { state: 'absent', need: 'EXTERNAL_NAME', finding: 'not set' } : { state: 'known', value: name }

/** All problems of the settings at once, and a platform that has no namespaces. */
function unusable({ problems }: ParsedSettings): Unknown | undefined {
  if (process.platform !== 'linux') {
    return unknown(
      'NOT_LINUX',
      `network namespaces are Linux's, this is ${process.platform}`,
      'Run on the node, or as a Job.',
    )
  }
  if (problems.length === 0) return undefined
  const said = problems.map(({ variable, value, problem }) => `${variable}=${value}: ${problem}`)
  return unknown('SETTINGS_INVALID', said.join('; '), problems.map(({ next }) => next).join(' '))
}

function withoutFacts(settings: Settings, why: Unknown): Plan {
  return {
    ...about(settings),
    node: {
      name: settings.nodeName ?? hostname(),
      nameFrom: settings.nodeName ? 'setting' : 'hostname',
      netnsPath: null,
      netns: process.platform === 'linux' ? currentNamespace() : '',
      internalIPs: [],
      addressMatches: null,
      podCIDRs: [],
      kubeletPort: null,
    },
    peerNode: why,
    clusterNodes: why,
    api: { server: why, livez: why, readyz: why, service: why, endpoints: why, ca: why, cluster: why },
    source: why,
    destinations: { named: why, 'other-node': why, 'same-node': why },
    service: why,
    ownService: why,
    dns: why,
    policies: why,
    addressPools: why,
    external: { ipv4: why, ipv6: why },
    externalName: why,
    peers: [],
    environment: [],
    notes: [],
    // said for the node as well: nothing may be sent from there either
    obstacles: [{ place: 'node', code: why.code, reason: why.reason, hint: why.hint }],
    unusable: why,
  }
}

function about(
  settings: Settings,
): Pick<Plan, 'runId' | 'probes' | 'strict' | 'trace' | 'expectedMtu' | 'expectDenied' | 'settings' | 'unusable'> {
  const { probes, strict, trace, expectedMtu, expectDenied } = settings
  const run = { runId: randomUUID(), probes, strict, trace, expectedMtu, expectDenied }
  return { ...run, settings: publicSettings(settings), unusable: null }
}

function lacks(capability: string, what: string): Obstacle {
  const reason = `this process lacks ${capability}, needed for ${what}`
  return { place: 'node', code: 'PERMISSION_MISSING', reason, hint: `Run as root with ${capability}.` }
}

function sourceNotes(source: Fact<Source>): string[] {
  if (source.state !== 'known') return []
  const { namespace, name, foundBy, hostNetwork } = source.value
  const asked = `source pod ${namespace}/${name}: namespace found by ${foundBy}`
  return hostNetwork ? [asked, 'the source pod uses the host network: its checks run from the node'] : [asked]
}

function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? [])
}

const unknown = (code: string, reason: string, hint: string): Unknown => ({ state: 'unknown', code, reason, hint })
