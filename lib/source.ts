/** The source pod's namespace, whether or not the API could tell which pod is meant. */
import type { PodObject } from './kube/index.ts'
import { type LocatedPod, type LookupOptions, locatePod } from './runtime/index.ts'
import { unknown } from './runtime/types.ts'
import type { Settings } from './settings.ts'
import type { Fact, PodTarget } from './types.ts'

export { type LookupOptions, prepareLookup } from './runtime/index.ts'

/**
 * With the API's object the pod is looked up by uid, namespace and name; without, SRC_POD is a name or the start of one.
 * Workloads and selectors need the API.
 */
export async function locateSource(
  { sourcePod, sourceNamespace }: Settings,
  pod: PodObject | null,
  options: LookupOptions,
): Promise<Fact<LocatedPod>> {
  if (pod) {
    const { namespace, name, staticUid, uid, addresses } = pod
    return locatePod({ namespace, name, prefix: null, uid: staticUid ?? uid, addresses }, options)
  }
  if (sourcePod?.kind !== 'pod') {
    return unknown(
      'POD_NOT_FOUND',
      'SRC_POD names a workload or a selector, which only the API can resolve',
      'Name a pod: SRC_POD=namespace/name.',
    )
  }
  const namespace = sourcePod.namespace ?? sourceNamespace
  const query = { namespace, uid: null, addresses: [] }
  const exact = await locatePod({ ...query, name: sourcePod.name, prefix: null }, options)
  if (exact.state === 'known' || exact.state !== 'unknown' || exact.code !== 'POD_NOT_ON_NODE') return exact
  const byPrefix = await locatePod({ ...query, name: null, prefix: sourcePod.name }, options)
  return byPrefix.state === 'known' || byPrefix.state !== 'unknown' || byPrefix.code !== 'POD_NOT_ON_NODE'
    ? byPrefix
    : exact
}

/** The network namespace of another pod on this node. */
export async function namespaceOf(
  pod: PodTarget,
  options: LookupOptions,
): Promise<NonNullable<PodTarget['namespaceHere']>> {
  const { namespace, name, addresses } = pod
  const found = await locatePod({ namespace, name, prefix: null, uid: null, addresses }, options)
  if (found.state !== 'known') return found
  return { state: 'known', value: { netnsPath: found.value.netnsPath, netns: found.value.netns } }
}
