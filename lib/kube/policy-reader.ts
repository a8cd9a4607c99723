/** Reads NetworkPolicies: those of all namespaces by one request, or of single ones where they are too many or may not be read. */
import type { V1NetworkPolicy } from '@kubernetes/client-node'
import type { Fact } from '../types.ts'
import type { Kube, Listed } from './client.ts'
import { known, unknown } from './fact.ts'
import { RESOURCES } from './objects.ts'

type Policies = Fact<Listed<V1NetworkPolicy>>

export interface PolicyReader {
  /** All, or as many as four pages hold. */
  all(): Promise<Policies>
  /** All of a namespace. */
  of(namespace: string): Promise<Policies>
}

/** Each list is read at most once. */
export function policyReader(kube: Kube): PolicyReader {
  const { networkPolicies } = RESOURCES
  const single = new Map<string, Promise<Policies>>()
  let everything: Promise<Policies> | null = null
  const all = () => (everything ??= kube.list<V1NetworkPolicy>(networkPolicies, { namespace: null }))
  const alone = async (namespace: string): Promise<Policies> => {
    const list = await kube.list<V1NetworkPolicy>(networkPolicies, { namespace, pages: 20 })
    if (list.state !== 'known' || list.value.complete) return list
    const reason = `only a part of the NetworkPolicies of namespace ${namespace} could be read`
    return unknown('API_UNAVAILABLE', reason, 'Run again; see the health of the API server.')
  }
  const of = async (namespace: string): Promise<Policies> => {
    const list = await all()
    if (list.state === 'known' && list.value.complete) {
      const items = list.value.items.filter(({ metadata }) => metadata?.namespace === namespace)
      return known({ items, complete: true })
    }
    // what cannot be asked at all is not asked twice
    if (list.state === 'unknown' && list.code !== 'API_FORBIDDEN') return list
    const own = single.get(namespace) ?? alone(namespace)
    single.set(namespace, own)
    return own
  }
  return { all, of }
}
