/** What a run over all nodes does to the cluster: thin calls of the API, each answer a fact. */
import type { CoreV1Event, V1Pod } from '../kube/index.ts'
import { type Kube, RESOURCES, type Resource } from '../kube/index.ts'
import type { Fact } from '../types.ts'
import { type KubeObject, RUN_LABEL, type RunIdentity } from './objects.ts'

const batch = (plural: string): Resource => ({ group: 'batch', version: 'v1', plural, namespaced: true })
const core = (plural: string): Resource => ({ group: '', version: 'v1', plural, namespaced: true })
const rbac = (plural: string): Resource => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural,
  namespaced: false,
})

/** The kinds that a run makes. */
const KINDS: Readonly<Record<string, Resource>> = {
  Job: batch('jobs'),
  Pod: RESOURCES.pods,
  ConfigMap: RESOURCES.configMaps,
  Namespace: RESOURCES.namespaces,
  ServiceAccount: core('serviceaccounts'),
  ClusterRole: rbac('clusterroles'),
  ClusterRoleBinding: rbac('clusterrolebindings'),
}

/** The kind as the API's paths have it; throws for one that no run makes. */
export const kindOf = (kind: string): Resource => {
  const resource = KINDS[kind]
  if (!resource) throw new Error(`a run makes no ${kind}`)
  return resource
}

/** An object by its name: all that a deletion needs. */
export interface Named {
  readonly kind: string
  readonly namespace: string | null
  readonly name: string
}

export const named = ({ kind, metadata }: KubeObject): Named => ({
  kind,
  namespace: metadata.namespace ?? null,
  name: metadata.name ?? '',
})

/** The command that deletes it. */
export function deletionOf({ kind, namespace, name }: Named): string {
  return `kubectl delete ${kind.toLowerCase()} ${name}${namespace === null ? '' : ` -n ${namespace}`}`
}

/** Creates an object, or finds out whether it could be. Codes: those of Kube.write. */
export function create(kube: Kube, object: KubeObject, { dryRun = false } = {}): Promise<Fact<KubeObject>> {
  const { kind, namespace, name } = named(object)
  return kube.write<KubeObject>({ verb: 'create', resource: kindOf(kind), namespace, name, body: object, dryRun })
}

/** Deletes an object; what it owns is deleted after it, by the garbage collector. Absent: it is gone already. */
export function remove(kube: Kube, { kind, namespace, name }: Named): Promise<Fact<unknown>> {
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' }
  return kube.write({ verb: 'delete', resource: kindOf(kind), namespace, name, body })
}

const ofRun = ({ id, namespace }: RunIdentity) => ({ namespace, labelSelector: `${RUN_LABEL}=${id}` })

/** The pods of a run that are still there. */
export async function podsOf(kube: Kube, run: RunIdentity): Promise<Fact<readonly V1Pod[]>> {
  const pods = await kube.list<V1Pod>(RESOURCES.pods, { ...ofRun(run), pages: 20 })
  return pods.state === 'known' ? { state: 'known', value: pods.value.items } : pods
}

export async function logOf(kube: Kube, { namespace }: RunIdentity, pod: string): Promise<Fact<string>> {
  const log = await kube.text(`/api/v1/namespaces/${namespace}/pods/${encodeURIComponent(pod)}/log`)
  return log.state === 'known' ? { state: 'known', value: log.value.body } : log
}

/** Messages of a Job's FailedCreate events: why its pod was not let in. */
export async function refusalsOf(kube: Kube, { namespace }: RunIdentity, job: string): Promise<readonly string[]> {
  const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${job},reason=FailedCreate`
  const events = await kube.list<CoreV1Event>(core('events'), { namespace, fieldSelector, pages: 1 })
  return events.state === 'known' ? events.value.items.map(({ message }) => message ?? '').filter(Boolean) : []
}
