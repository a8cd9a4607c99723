/** What a run over all nodes makes of the manifests in deploy/base. */
import type { V1PodSpec } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import {
  installedOwner,
  type KubeObject,
  nodeJob,
  ownerReference,
  ownOwner,
  ownSurroundings,
  type RunIdentity,
  readManifests,
} from '../../../lib/cluster/objects.ts'

const manifests = readManifests()
const run: RunIdentity = { id: '1a2b3c4d', namespace: 'k8snetlook-1a2b3c4d', expires: '2026-01-01T00:00:00Z' }
const task = { node: 'n2.example.org', index: 7, source: 'shop/web-1', peers: [] }
const options = { image: null, deadline: 240, settings: { PROBES: '3', CNI_LEASES_DIR: '/x/$(NODE_NAME)' } }

const podOf = (job: KubeObject): V1PodSpec => {
  const { spec } = job as unknown as { spec: { template: { spec: V1PodSpec } } }
  return spec.template.spec
}
const envOf = (job: KubeObject) => podOf(job).containers[0]?.env ?? []

describe('the Job of a node', () => {
  const job = nodeJob(manifests, run, task, options, null)

  it('is that of deploy/base, bound to the node, with what it is asked in place of the ConfigMap', () => {
    const pod = podOf(job)
    const [base] = manifests.job.spec?.template.spec?.containers ?? []
    expect(pod).toMatchObject({
      nodeName: 'n2.example.org',
      hostNetwork: true,
      hostPID: true,
      activeDeadlineSeconds: 240,
    })
    expect(pod.containers[0]).toMatchObject({ args: ['checks/pod'], securityContext: base?.securityContext })
    expect(pod.containers[0]).not.toHaveProperty('envFrom')
    expect(pod.containers[0]?.image).toMatch(/^k8snetlook:\d+\.\d+\.\d+/)
    expect(Object.fromEntries(envOf(job).map(({ name, value }) => [name, value]))).toMatchObject({
      ...{
        PROBES: '3',
        CNI_LEASES_DIR: '/x/$(NODE_NAME)',
        SRC_POD: 'shop/web-1',
        PEERS: '[]',
        PRINT_REPORTS: 'packed',
      },
    })
  })

  it('knows the node’s name before what is expanded with it (Kubernetes expands in order)', () => {
    const names = envOf(job).map(({ name }) => name)
    expect(names.indexOf('NODE_NAME')).toBeLessThan(names.indexOf('CNI_LEASES_DIR'))
    expect(new Set(names).size).toBe(names.length)
  })

  it('asks about the node alone where no pod stands for its pods', () => {
    const alone = nodeJob(manifests, run, { ...task, source: null }, options, null)
    expect(podOf(alone).containers[0]?.args).toEqual(['checks/host'])
    expect(envOf(alone).map(({ name }) => name)).not.toContain('SRC_POD')
  })

  it('runs the image that is named', () => {
    const named = nodeJob(manifests, run, task, { ...options, image: 'registry.example.org/x@sha256:0' }, null)
    expect(podOf(named).containers[0]?.image).toBe('registry.example.org/x@sha256:0')
  })
})

describe('what a run hangs by', () => {
  it('is a ConfigMap beside an installed deploy/base, else the ClusterRole, which owns binding and namespace', () => {
    const role = ownOwner(manifests, run)
    const reference = ownerReference(role, 'uid-1')
    const around = ownSurroundings(manifests, run, reference)
    expect(role).toMatchObject({ kind: 'ClusterRole', metadata: { name: 'k8snetlook-1a2b3c4d' } })
    expect(around.map(({ kind, metadata }) => [kind, metadata.ownerReferences?.[0]?.uid ?? null])).toEqual([
      ['ClusterRoleBinding', 'uid-1'],
      ['Namespace', 'uid-1'],
      // gone with its namespace
      ['ServiceAccount', null],
    ])
    expect(around[1]?.metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe('privileged')
    expect(installedOwner({ ...run, namespace: 'netcheck' })).toMatchObject({
      kind: 'ConfigMap',
      metadata: { namespace: 'netcheck' },
    })
  })

  it('bears the run’s label everywhere, and its end', () => {
    const role = ownOwner(manifests, run)
    const all = [
      role,
      installedOwner(run),
      ...ownSurroundings(manifests, run, ownerReference(role, 'u')),
      nodeJob(manifests, run, task, options, null),
    ]
    expect(all.map(({ metadata }) => metadata.labels?.['k8snetlook/run'])).toEqual(all.map(() => '1a2b3c4d'))
    for (const owner of all.slice(0, 2)) expect(owner.metadata.annotations?.['k8snetlook/expires']).toBe(run.expires)
  })
})
