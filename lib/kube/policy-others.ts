/** Policies of other kinds than networking.k8s.io/v1: whether there are any. What they say is not evaluated. */
import type { Kube } from './client.ts'

/** What was found of policies that are not evaluated. */
export interface OtherPolicies {
  /** Kinds of which there is at least one object. */
  readonly present: readonly string[]
  /** Kinds of which it could not be seen. */
  readonly unseen: readonly string[]
}

interface Kind {
  readonly group: string
  readonly plural: string
  readonly kind: string
}

const kinds = (group: string, named: Readonly<Record<string, string>>): Kind[] =>
  Object.entries(named).map(([plural, kind]) => ({ group, plural, kind }))

const CALICO = { networkpolicies: 'Calico NetworkPolicy', globalnetworkpolicies: 'Calico GlobalNetworkPolicy' }

/** Whatever else may drop packets between pods, by the API group that serves it. */
export const OTHER_KINDS: readonly Kind[] = [
  ...kinds('cilium.io', {
    ciliumnetworkpolicies: 'CiliumNetworkPolicy',
    ciliumclusterwidenetworkpolicies: 'CiliumClusterwideNetworkPolicy',
  }),
  ...kinds('crd.projectcalico.org', CALICO),
  ...kinds('projectcalico.org', CALICO),
  ...kinds('policy.networking.k8s.io', {
    adminnetworkpolicies: 'AdminNetworkPolicy',
    baselineadminnetworkpolicies: 'BaselineAdminNetworkPolicy',
    clusternetworkpolicies: 'ClusterNetworkPolicy',
  }),
  ...kinds('crd.antrea.io', {
    networkpolicies: 'Antrea NetworkPolicy',
    clusternetworkpolicies: 'Antrea ClusterNetworkPolicy',
  }),
  ...kinds('k8s.ovn.org', { egressfirewalls: 'EgressFirewall' }),
]

/** One request for the API's groups; one more, of one object, for each kind that a group of the cluster may have. */
export async function readOtherPolicies(kube: Kube): Promise<OtherPolicies> {
  const groups = await kube.text('/apis')
  if (groups.state !== 'known') return { present: [], unseen: ['policies of other kinds'] }
  const versions = groupVersions(groups.value.body)
  const served = OTHER_KINDS.filter(({ group }) => versions.has(group))
    // Calico's own API server shows the objects of its CRDs, and NetworkPolicies of Kubernetes among them
    .filter(({ group }) => group !== 'projectcalico.org' || !versions.has('crd.projectcalico.org'))
  const looked = await Promise.all(
    served.map(async ({ group, plural, kind }) => ({
      kind,
      state: await look(kube, group, versions.get(group) ?? [], plural),
    })),
  )
  return {
    present: looked.filter(({ state }) => state === 'present').map(({ kind }) => kind),
    unseen: looked.filter(({ state }) => state === 'unseen').map(({ kind }) => kind),
  }
}

/** Asks one version of the group after the other: not every version serves every kind. */
async function look(
  kube: Kube,
  group: string,
  versions: readonly string[],
  plural: string,
): Promise<'present' | 'absent' | 'unseen'> {
  for (const version of versions) {
    const resource = { group, version, plural, namespaced: true }
    const list = await kube.list(resource, { namespace: null, pages: 1, pageSize: 1 })
    if (list.state === 'unknown') return 'unseen'
    if (list.state === 'known') return list.value.items.length > 0 ? 'present' : 'absent'
  }
  return 'absent'
}

interface ApiGroup {
  readonly name: string
  readonly preferredVersion?: { readonly version: string }
  readonly versions?: readonly { readonly version: string }[]
}

/** Versions of each group of an APIGroupList, the preferred one first; empty when the text is none. */
export function groupVersions(body: string): ReadonlyMap<string, readonly string[]> {
  try {
    const { groups = [] } = JSON.parse(body) as { groups?: readonly ApiGroup[] }
    return new Map(
      groups.map(({ name, preferredVersion, versions = [] }) => {
        const all = [...(preferredVersion ? [preferredVersion] : []), ...versions]
        return [name, [...new Set(all.map(({ version }) => version))]]
      }),
    )
  } catch {
    return new Map()
  }
}
