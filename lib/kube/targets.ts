/** Reads what named and picked targets need, no more than that, and puts them together. */
import type { V1EndpointSlice, V1NetworkPolicy, V1Service } from '@kubernetes/client-node'
import type { Settings } from '../settings.ts'
import type { DestinationRow, Fact, PodTarget, ServiceFacts } from '../types.ts'
import type { Chosen } from './choose.ts'
import type { Kube, Listed } from './client.ts'
import type { DnsService } from './cluster.ts'
import { absent, known, listing, mapFact, type Unknown } from './fact.ts'
import { namedPod, namedService, namedTarget, serviceFacts } from './named.ts'
import { endpointsOf, type PodObject, podId, RESOURCES, serviceBasics, serviceOf } from './objects.ts'
import { type Asker, type Neighbourhood, type PickedRow, pickPod, pickService } from './pick.ts'
import { policiesOn } from './policies.ts'
import type { PolicyReader } from './policy-reader.ts'
import { listPods, sourceScope } from './source.ts'

/** What is known about the targets of the pod checks. */
export interface Targets {
  readonly destinations: Readonly<Record<DestinationRow, Fact<PodTarget>>>
  readonly service: Fact<ServiceFacts>
  /** A service that the source pod stands behind. */
  readonly ownService: Fact<ServiceFacts>
  /** Pods that were read on the way. */
  readonly pods: readonly PodObject[]
  readonly notes: readonly string[]
}

/** Reads a namespace, or with null the first objects of all of them. */
export async function readNeighbourhood(
  kube: Kube,
  reader: PolicyReader,
  namespace: string | null,
): Promise<Fact<Neighbourhood>> {
  const options = { namespace, pages: namespace === null ? 1 : 4 }
  const [pods, slices, services, policies] = await Promise.all([
    listPods(kube, options),
    kube.list<V1EndpointSlice>(RESOURCES.endpointSlices, options),
    kube.list<V1Service>(RESOURCES.services, options),
    namespace === null ? reader.all() : reader.of(namespace),
  ])
  for (const each of [pods, slices, services, policies]) if (each.state !== 'known') return each
  if (pods.state !== 'known' || slices.state !== 'known' || services.state !== 'known' || policies.state !== 'known') {
    throw new Error('unreachable: checked above')
  }
  const isRead = readCompletely([slices.value, policies.value])
  return known({
    pods: pods.value.items,
    slices: slices.value.items.filter(({ metadata }) => isRead(metadata?.namespace ?? '')),
    services: services.value.items,
    policies: policies.value.items,
  })
}

/** Lists come in the order of namespaces: in one that was cut short, the last namespace and all after it are not known. */
function readCompletely(lists: readonly Listed<V1EndpointSlice | V1NetworkPolicy>[]): (namespace: string) => boolean {
  const ends = lists.flatMap(({ complete, items }) => (complete ? [] : [items.at(-1)?.metadata?.namespace ?? '']))
  return (namespace) => ends.every((end) => namespace < end)
}

/**
 * Destination pods and service. Picks only when the setting is not set. While the source is
 * being found its likely namespace is read already.
 */
export async function readTargets(
  kube: Kube,
  reader: PolicyReader,
  settings: Settings,
  finding: Promise<Fact<Chosen>>,
  dns: Promise<Fact<DnsService>>,
): Promise<Targets> {
  const { first } = sourceScope(settings, kube)
  const early = settings.sourcePod === null ? null : readNeighbourhood(kube, reader, first)
  const found = await finding
  const source = found.state === 'known' ? found.value.pod : null
  // Without the pod's object (the account may not read pods, say) named targets can still be read.
  if (!source && !(found.state === 'unknown' && found.code.startsWith('API_')))
    return nothing(settings, found as Fact<never>)
  const hood = source && source.namespace !== first ? readNeighbourhood(kube, reader, source.namespace) : early
  const [near, pod, service, dnsService] = await Promise.all([
    hood as Promise<Fact<Neighbourhood>>,
    namedPod(kube, settings, source, first),
    namedService(kube, settings, source, first),
    dns,
  ])
  const asker = source && { source, dnsService: dnsService.state === 'known' ? dnsService.value.service : null }
  const picks = asker ? await pick(kube, reader, settings, asker, near) : everyPick(found as Unknown)
  const notes = [pod, service].flatMap((each) => (each.state === 'known' ? each.value.notes : []))
  const named = pod.state === 'known' && typeof pod.value.value !== 'string' ? [pod.value.value] : []
  const destination = settings.destinationService === null ? picks.service : mapFact(service, ({ value }) => value)
  return {
    destinations: { named: await withPorts(kube, pod, near), ...picks.rows },
    service: destination,
    ownService: source ? ownService(source, destination, near) : (found as Unknown),
    pods: [...(near.state === 'known' ? near.value.pods : []), ...picks.pods, ...named],
    notes: [...notes, ...picks.notes],
  }
}

/** There is no source to ask from: what was named by address still stands, the rest shares the source's reason. */
function nothing(settings: Settings, found: Fact<never>): Targets {
  const { destinationPod: pod, destinationService: service } = settings
  const named = pod?.kind === 'address' ? known(namedTarget({ value: pod.address, notes: [] }, [])) : found
  return {
    destinations: {
      named:
        pod === null ? absent('DST_POD', 'not set') : pod.kind === 'none' ? absent('DST_POD', 'set to none') : named,
      ...everyPickOf(settings, found),
    },
    service: service?.kind === 'none' ? absent('DST_SVC', 'set to none') : found,
    ownService: found,
    pods: [],
    notes: [],
  }
}

/** The destination service if the source pod is among its ready endpoints, else the first such service of its namespace. */
function ownService(source: PodObject, destination: Fact<ServiceFacts>, near: Fact<Neighbourhood>): Fact<ServiceFacts> {
  const isIts = ({ endpoints }: ServiceFacts) =>
    endpoints.state === 'known' && endpoints.value.some(({ pod, ready }) => ready && pod === podId(source))
  if (destination.state === 'known' && destination.value.clusterIPs.length > 0 && isIts(destination.value)) {
    return destination
  }
  if (near.state !== 'known') return near
  const own = near.value.services
    .map((service): ServiceFacts => {
      const basics = serviceBasics(service)
      const slices = near.value.slices.filter(
        (slice) => slice.metadata?.namespace === basics.namespace && serviceOf(slice) === basics.name,
      )
      return { ...basics, endpoints: known(endpointsOf(slices)), why: 'the source pod stands behind it' }
    })
    .filter((service) => service.clusterIPs.length > 0 && isIts(service))
    .toSorted((a, b) => a.name.localeCompare(b.name))
  const finding = `${near.value.services.length} Services of ${source.namespace} were looked at`
  return own[0] ? known(own[0]) : absent('a Service that has the source pod as a ready endpoint', finding)
}

async function withPorts(
  kube: Kube,
  named: Awaited<ReturnType<typeof namedPod>>,
  near: Fact<Neighbourhood>,
): Promise<Fact<PodTarget>> {
  if (named.state !== 'known') return named
  const { value } = named.value
  if (typeof value === 'string') return known(namedTarget(named.value, []))
  const inNear = near.state === 'known' && near.value.pods.some((pod) => podId(pod) === podId(value))
  const slices = inNear
    ? known(near.value.slices)
    : mapFact(
        await kube.list<V1EndpointSlice>(RESOURCES.endpointSlices, { namespace: value.namespace }),
        ({ items }) => items,
      )
  return known(namedTarget(named.value, slices.state === 'known' ? endpointsOf(slices.value) : []))
}

interface Picks {
  readonly rows: Readonly<Record<PickedRow, Fact<PodTarget>>>
  readonly service: Fact<ServiceFacts>
  /** Pods that were read to choose among. */
  readonly pods: readonly PodObject[]
  readonly notes: readonly string[]
}

const everyPick = (fact: Fact<never>): Picks => ({
  rows: { 'other-node': fact, 'same-node': fact },
  service: fact,
  pods: [],
  notes: [],
})

function everyPickOf(settings: Settings, fact: Fact<never>): Picks['rows'] {
  return everyPick(settings.destinationPod === null ? fact : pickedOff(settings)).rows
}

function pickedOff(settings: Settings): Fact<never> {
  const set = settings.destinationPod?.kind === 'none' ? 'DST_POD is none' : 'DST_POD names the destination'
  return absent('a picked destination pod', set)
}

interface Choice {
  readonly rows: Readonly<Record<PickedRow, PodTarget | null>>
  readonly service: V1Service | null
}

function choose(hood: Neighbourhood, asker: Asker): Choice {
  const rows = { 'other-node': pickPod('other-node', hood, asker), 'same-node': pickPod('same-node', hood, asker) }
  const ids = Object.values(rows).flatMap((row) => (row ? [podId(row)] : []))
  return { rows, service: pickService(hood, asker, ids) }
}

/** Whether all namespaces need not be looked at: everything wanted was found, and not in kube-system, which comes last. */
function suffices({ rows, service }: Choice, wantPods: boolean, wantService: boolean): boolean {
  const good = (namespace: string | undefined) => namespace !== undefined && namespace !== 'kube-system'
  const pods = Object.values(rows).every((row) => good(row?.namespace))
  return (!wantPods || pods) && (!wantService || good(service?.metadata?.namespace))
}

/** The source's namespace first; the first objects of all namespaces only when that does not suffice. */
async function pick(
  kube: Kube,
  reader: PolicyReader,
  settings: Settings,
  asker: Asker,
  near: Fact<Neighbourhood>,
): Promise<Picks> {
  const wantPods = settings.destinationPod === null
  const wantService = settings.destinationService === null
  const off = everyPick(pickedOff(settings))
  if (!wantPods && !wantService) return off
  const limited = near.state === 'known' ? policiesOn(asker.source, near.value.policies, 'Egress') : []
  if (limited.length > 0) return limitedEgress(asker.source, limited, wantPods, off)
  const first = near.state === 'known' ? choose(near.value, asker) : null
  const enough = first !== null && suffices(first, wantPods, wantService)
  const wide = enough ? near : await readNeighbourhood(kube, reader, null)
  const second = enough || wide.state !== 'known' ? first : choose(wide.value, asker)
  const missing = (what: string): Fact<never> =>
    wide.state === 'known' ? nonePickable(what, wide.value) : (wide as Unknown)
  const row = (name: PickedRow, what: string) => {
    const target = second?.rows[name] ?? first?.rows[name]
    return target ? known(target) : missing(what)
  }
  const service = second?.service ?? first?.service
  const result = {
    rows: wantPods
      ? {
          'other-node': row('other-node', 'a Ready pod on another node'),
          'same-node': row('same-node', 'another Ready pod on this node'),
        }
      : off.rows,
    service: !wantService
      ? off.service
      : service
        ? known(await serviceFacts(kube, service, WHY_SERVICE))
        : missing('a Service with a ClusterIP and ready TCP endpoints'),
  }
  const pods = wide.state === 'known' ? wide.value.pods : []
  return { ...result, pods, notes: pickNotes(result) }
}

const WHY_SERVICE = 'picked: it has a ClusterIP and ready endpoints that no NetworkPolicy selects'

function limitedEgress(source: PodObject, policies: readonly string[], wantPods: boolean, off: Picks): Picks {
  const finding = `NetworkPolicy ${listing(policies)} limits what may leave ${podId(source)}: name DST_POD and DST_SVC that it allows`
  const none = everyPick(absent('a target that surely may be reached', finding))
  return { ...none, rows: wantPods ? none.rows : off.rows, notes: [finding] }
}

function nonePickable(what: string, { pods }: Neighbourhood): Fact<never> {
  return absent(
    `${what}, behind a Service with a TCP port, that no NetworkPolicy selects`,
    `none among ${pods.length} pods`,
  )
}

function pickNotes({ rows, service }: Pick<Picks, 'rows' | 'service'>): string[] {
  const pods = Object.values(rows).flatMap((row) =>
    row.state === 'known' ? [`destination pod ${podId(row.value)} on ${row.value.node} ${row.value.why}`] : [],
  )
  if (service.state !== 'known' || !service.value.why.startsWith('picked')) return pods
  return [...pods, `Service ${podId(service.value)} ${service.value.why}`]
}
