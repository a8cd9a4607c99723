/** What deploy/ may hold, read without kubectl: the rights of the Job, and that its files agree with the product. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'dotenv'
import { load, loadAll } from 'js-yaml'
import { describe, expect, test } from 'vitest'
import { RESOURCES } from '../../../lib/kube/objects.ts'
import { OTHER_KINDS } from '../../../lib/kube/policy-others.ts'
import { missingCapabilities } from '../../../lib/netns/capabilities.ts'
import { parseSettings, SETTINGS } from '../../../lib/settings.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string) => readFileSync(`${ROOT}/${path}`, 'utf8')
const files = ['base', 'overlays'].flatMap((dir) =>
  readdirSync(`${ROOT}/deploy/${dir}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `deploy/${dir}/${name}`),
)

interface Rule {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
  readonly verbs: readonly string[]
}

interface Container {
  readonly image: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string }[]
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly securityContext: {
    readonly privileged: boolean
    readonly readOnlyRootFilesystem: boolean
    readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] }
  }
  readonly resources: { readonly limits: Readonly<Record<string, string>> }
  readonly volumeMounts: readonly { readonly mountPath: string; readonly readOnly?: boolean }[]
}

interface Job {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: {
    readonly backoffLimit: number
    readonly activeDeadlineSeconds: number
    readonly ttlSecondsAfterFinished: number
    readonly template: {
      readonly spec: Readonly<Record<string, unknown>> & {
        readonly activeDeadlineSeconds: number
        readonly serviceAccountName: string
        readonly containers: readonly [Container]
        readonly volumes: readonly Readonly<Record<string, unknown>>[]
      }
    }
  }
}

const { rules } = load(read('deploy/base/clusterrole.yaml')) as { rules: readonly Rule[] }
const job = load(read('deploy/base/job.yaml')) as Job
const pod = job.spec.template.spec
const [container] = pod.containers
const settings: Readonly<Record<string, string>> & { readonly NODE_NAME?: string } = parse(
  read('deploy/base/settings.env'),
)

test('each file holds one object, and none of a kind that holds or grants more than the Job needs', () => {
  const kinds = files.flatMap((file) => {
    const objects = loadAll(read(file)) as { kind: string }[]
    expect(objects, file).toHaveLength(1)
    return objects.map(({ kind }) => kind)
  })
  const allowed = [
    'ClusterRole',
    'ClusterRoleBinding',
    'CronJob',
    'Job',
    'Kustomization',
    'Namespace',
    'ServiceAccount',
  ]
  expect([...new Set(kinds)].sort()).toEqual(allowed)
})

test('every file is named by a kustomization', () => {
  const named = files
    .filter((file) => basename(file) === 'kustomization.yaml')
    .flatMap((file) => (load(read(file)) as { resources: readonly string[] }).resources)
  expect(
    files.map((file) => basename(file)).filter((name) => name !== 'kustomization.yaml' && !named.includes(name)),
  ).toEqual([])
})

describe('the role', () => {
  test('reads: get and list alone, no secrets, no wildcard, no subresource', () => {
    for (const { verbs, apiGroups = [], resources = [], nonResourceURLs = [] } of rules) {
      expect(['get', 'list']).toEqual(expect.arrayContaining([...verbs]))
      for (const word of [...apiGroups, ...resources, ...nonResourceURLs])
        expect(word).not.toMatch(/\*|secret|token|\w\/\w/)
    }
  })

  const granted = (group: string, resource: string) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups?.includes(group) && resources?.includes(resource) ? verbs : [],
    )

  test('holds every resource that a run reads, and no other', () => {
    const { configMaps, ...others } = RESOURCES
    const own = Object.values(others).map(({ group, plural }) => `${group}/${plural}`)
    const foreign = OTHER_KINDS.map(({ group, plural }) => `${group}/${plural}`)
    const held = rules.flatMap(({ apiGroups = [], resources = [] }) =>
      apiGroups.flatMap((group) => resources.map((resource) => `${group}/${resource}`)),
    )
    expect(held.toSorted()).toEqual([...own, ...foreign].toSorted())
    // a pod has the one ConfigMap that a run reads beside its token
    expect(granted(configMaps.group, configMaps.plural)).toEqual([])
    for (const { group, plural } of OTHER_KINDS) expect(granted(group, plural), plural).toEqual(['list'])
  })

  test('belongs to the account that the Job runs as', () => {
    const binding = load(read('deploy/base/clusterrolebinding.yaml'))
    const { namespace } = job.metadata
    const subject = { kind: 'ServiceAccount', name: pod.serviceAccountName, namespace }
    expect(binding).toMatchObject({ roleRef: { kind: 'ClusterRole', name: 'k8snetlook' }, subjects: [subject] })
    expect(load(read('deploy/base/serviceaccount.yaml'))).toMatchObject({ metadata: { name: subject.name, namespace } })
    expect(load(read('deploy/base/namespace.yaml'))).toMatchObject({
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
    })
  })
})

describe('the Job', () => {
  test('runs once, on a node that it names itself, and ends', () => {
    expect(job.spec).toMatchObject({ backoffLimit: 0 })
    expect(pod).toMatchObject({
      ...{ hostNetwork: true, hostPID: true, restartPolicy: 'Never', tolerations: [{ operator: 'Exists' }] },
      nodeName: settings.NODE_NAME,
    })
    // the pod ends first: with it go neither log nor exit code
    expect(pod.activeDeadlineSeconds).toBeLessThan(job.spec.activeDeadlineSeconds)
    expect(job.spec.ttlSecondsAfterFinished).toBeGreaterThan(0)
  })

  test('has the capabilities that the preflight asks for, and none that it does not name', () => {
    const { privileged, readOnlyRootFilesystem, capabilities } = container.securityContext
    expect({ privileged, readOnlyRootFilesystem, drop: capabilities.drop }).toEqual({
      privileged: false,
      readOnlyRootFilesystem: true,
      drop: ['ALL'],
    })
    const needed = missingCapabilities('CapEff:\t0000000000000000').map(({ name }) => name.replace('CAP_', ''))
    expect(capabilities.add.toSorted()).toEqual(['NET_ADMIN', 'NET_RAW', 'SETGID', 'SETUID', 'SYS_ADMIN', 'SYS_PTRACE'])
    expect(capabilities.add).toEqual(expect.arrayContaining(needed))
  })

  test('writes to an emptyDir alone, and its CPU is not limited', () => {
    const writable = container.volumeMounts.filter(({ readOnly }) => !readOnly).map(({ mountPath }) => mountPath)
    expect(writable).toEqual(['/reports'])
    expect(pod.volumes).toEqual([
      { name: 'reports', emptyDir: expect.anything() },
      { name: 'run', hostPath: { path: '/run', type: 'Directory' } },
    ])
    expect(Object.keys(container.resources.limits)).toEqual(['memory'])
  })

  test('is set by settings that there are, and its node by the API', () => {
    const known = SETTINGS.map(({ name }) => name as string)
    expect(Object.keys(settings).filter((name) => !known.includes(name))).toEqual([])
    expect(parseSettings(settings)).toMatchObject({ problems: [], hints: [], settings: { printReports: ['junit'] } })
    expect(container.envFrom).toEqual([{ configMapRef: { name: 'k8snetlook-settings' } }])
    expect(container.env.map(({ name }) => name)).toEqual(['NODE_NAME'])
  })

  test('has the image of this version', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string }
    const { images } = load(read('deploy/base/kustomization.yaml')) as { images: readonly object[] }
    expect(images).toEqual([{ name: container.image, newTag: version }])
  })
})
