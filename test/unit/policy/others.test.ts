import { expect, test } from 'vitest'
import type { Kube } from '../../../lib/kube/client.ts'
import { groupVersions, readOtherPolicies } from '../../../lib/kube/policy-others.ts'

const apis = (groups: Readonly<Record<string, readonly string[]>>) =>
  JSON.stringify({
    groups: Object.entries(groups).map(([name, versions]) => ({
      name,
      preferredVersion: { version: versions[0] },
      versions: versions.map((version) => ({ version })),
    })),
  })

/** A cluster that serves these groups, and has one object of each path in `present`. */
function cluster(
  groups: Readonly<Record<string, readonly string[]>>,
  present: readonly string[],
  asked: string[] = [],
) {
  const kube = {
    text: async () => ({ state: 'known', value: { status: 200, body: apis(groups) } }),
    list: async ({ group, version, plural }: { group: string; version: string; plural: string }) => {
      const path = `${group}/${version}/${plural}`
      asked.push(path)
      if (path.includes('v1alpha2/admin')) return { state: 'absent', need: '', finding: '' }
      return { state: 'known', value: { items: present.includes(path) ? [{}] : [], complete: true } }
    },
  }
  return kube as unknown as Kube
}

test('nothing is listed where no group is served that could hold one', async () => {
  const asked: string[] = []
  expect(await readOtherPolicies(cluster({ apps: ['v1'] }, [], asked))).toEqual({ present: [], unseen: [] })
  expect(asked).toEqual([])
})

test('a kind that the preferred version does not serve is looked for in the others', async () => {
  const groups = { 'policy.networking.k8s.io': ['v1alpha2', 'v1alpha1'] }
  const { present } = await readOtherPolicies(
    cluster(groups, ['policy.networking.k8s.io/v1alpha1/adminnetworkpolicies']),
  )
  expect(present).toEqual(['AdminNetworkPolicy'])
})

test('Calico’s API server shows Kubernetes’ own policies too: its CRDs are asked instead', async () => {
  const asked: string[] = []
  await readOtherPolicies(cluster({ 'projectcalico.org': ['v3'], 'crd.projectcalico.org': ['v1'] }, [], asked))
  expect(asked).toEqual(['crd.projectcalico.org/v1/networkpolicies', 'crd.projectcalico.org/v1/globalnetworkpolicies'])
})

test('an answer that is no list of groups holds none', () => {
  expect(groupVersions('<html>')).toEqual(new Map())
})
