/** Node, source pod, targets and DNS as a whole run finds them, through https from the API server stand-in. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connectionFor } from '../../lib/kube/credentials.ts'
import { findAccess } from '../../lib/kube/kubeconfig.ts'
import { parseSettings } from '../../lib/settings.ts'
import { type KubeObject, networkPolicy, node, pod, service, slice } from '../bed/api-standin-objects.ts'
import { type Bed, kubeBed, smallCluster } from './kube-bed.ts'

let bed: Bed
let config: string
let cluster: KubeObject[]

beforeAll(async () => {
  bed = await kubeBed('kt', [])
  config = bed.kubeconfig()
  cluster = smallCluster(bed.ca)
  bed.api.setObjects(cluster)
})
afterAll(() => bed?.close())
afterEach(() => {
  bed.api.behave({})
  bed.api.setObjects(cluster)
})

const facts = (env: Record<string, string> = {}) => bed.facts({ KUBECONFIG: config, ...env })
const withObjects = (...more: KubeObject[]) => bed.api.setObjects([...cluster, ...more])
const without = (kind: string, name: string) =>
  bed.api.setObjects(cluster.filter((each) => each.kind !== kind || each.metadata.name !== name))

test('a healthy cluster: everything is known, picks and notes say why', async () => {
  const all = await facts({ SRC_POD: 'bbox' })
  expect(all.api).toMatchObject({
    service: { value: { clusterIPs: ['198.19.0.1'], port: 443 } },
    endpoints: { value: [{ address: '198.51.100.1', port: 6443, ready: true }] },
    ca: { value: bed.ca },
    cluster: { value: { uid: '00000000-0000-4000-8000-000000000001', version: 'v1.35.0' } },
  })
  expect(all.node).toMatchObject({
    name: 'n1',
    nameFrom: 'node-object',
    object: { value: { internalIPs: ['192.0.2.11'] } },
  })
  expect(all.source).toMatchObject({
    value: { name: 'bbox-7c6b5c99c8-pxh6k', workload: { kind: 'Deployment', name: 'bbox' } },
  })
  expect(all.destinations).toMatchObject({
    named: { state: 'absent', need: 'DST_POD' },
    'other-node': { value: { name: 'web-64957f6c7b-bbbbb', node: 'n2', zone: 'east', tcpPorts: [8080] } },
    'same-node': { value: { name: 'web-64957f6c7b-aaaaa', node: 'n1' } },
  })
  expect(all.service).toMatchObject({
    value: { name: 'web', namespace: 'default', endpoints: { value: { length: 3 } } },
  })
  expect(all.dns).toMatchObject({
    value: {
      service: 'kube-system/kube-dns',
      clusterIPs: ['198.19.0.10'],
      replicas: [{ protocol: 'udp' }, { protocol: 'tcp' }],
    },
  })
  expect(all.notes.join('\n')).toMatch(/web-64957f6c7b-bbbbb on n2 picked/)
})

describe('this node', () => {
  test('NODE_NAME wins; one that does not exist is named with the closest, and no pod is said to be elsewhere', async () => {
    expect((await facts({ NODE_NAME: 'n2' })).node).toMatchObject({ name: 'n2', nameFrom: 'setting' })
    const wrong = await facts({ NODE_NAME: 'n11', SRC_POD: 'bbox' })
    expect(wrong.node.object).toMatchObject({ code: 'NODE_NOT_FOUND', hint: expect.stringContaining('n1') })
    expect(wrong.source).toMatchObject({ code: 'NODE_NOT_FOUND' })
  })
  test('the host’s name, when its Node has another address, is a guess', async () => {
    bed.api.setObjects([...cluster.filter(({ kind }) => kind !== 'Node'), node('host-1', ['192.0.2.99'])])
    expect((await facts()).node).toMatchObject({ name: 'host-1', nameFrom: 'hostname', object: { state: 'known' } })
  })
  test('no Node has an address of this machine', async () => {
    bed.api.setObjects(cluster.filter(({ kind }) => kind !== 'Node'))
    const all = await facts({ SRC_POD: 'bbox' })
    expect(all.node).toMatchObject({ name: 'host-1', nameFrom: 'hostname', object: { code: 'NODE_NOT_FOUND' } })
    expect(all.source).toMatchObject({ code: 'POD_ELSEWHERE', hint: expect.stringContaining('NODE_NAME') })
  })
})

describe('SRC_POD', () => {
  const source = async (SRC_POD: string, env = {}) => (await facts({ SRC_POD, ...env })).source
  test.each([['bbox-7c6b5c99c8-pxh6k'], ['default/bbox'], ['deploy/bbox'], ['rs/bbox-7c6b5c99c8'], ['app=bbox']])(
    '%s',
    async (text) => {
      expect(await source(text)).toMatchObject({ state: 'known', value: { name: 'bbox-7c6b5c99c8-pxh6k' } })
    },
  )
  test('not set', async () => {
    const all = await facts()
    expect(all.source).toEqual({ state: 'absent', need: 'SRC_POD', finding: 'not set' })
    expect(all.destinations['other-node']).toMatchObject({ state: 'absent', need: 'SRC_POD' })
  })
  test('unknown: the closest names; elsewhere: the node; ambiguous: the candidates', async () => {
    expect(await source('bxob')).toMatchObject({
      code: 'POD_NOT_FOUND',
      hint: expect.stringContaining('bbox-7c6b5c99c8-pxh6k'),
    })
    expect(await source('deploy/wbe')).toMatchObject({ code: 'POD_NOT_FOUND', hint: 'The closest name is web.' })
    expect(await source('app=nothing')).toMatchObject({ code: 'POD_NOT_FOUND' })
    expect(await source('web-64957f6c7b-bbbbb')).toMatchObject({
      code: 'POD_ELSEWHERE',
      reason: expect.stringContaining('runs on n2, and this is n1'),
    })
    withObjects(pod({ name: 'bbox-two-5d8c6f7d4-x', node: 'n1', ips: ['198.18.1.8'], owner: 'Deployment/bbox-two' }))
    expect(await source('bbox')).toMatchObject({
      code: 'POD_AMBIGUOUS',
      reason: expect.stringMatching(/Deployment default\/bbox .*default\/bbox-two/),
    })
    expect(await source('deploy/bbox')).toMatchObject({ state: 'known' })
  })
  test('a workload that has no pod here, but elsewhere', async () => {
    withObjects(pod({ name: 'far-5d8c6f7d4-x', node: 'n2', ips: ['198.18.2.8'], owner: 'Deployment/far' }))
    expect(await source('deploy/far')).toMatchObject({ code: 'POD_ELSEWHERE', hint: 'Run this on n2.' })
  })
  test('Pending without a node, and Completed', async () => {
    withObjects(
      pod({
        name: 'waits',
        phase: 'Pending',
        status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] },
      }),
    )
    expect(await source('waits')).toMatchObject({
      code: 'POD_NOT_RUNNING',
      reason: expect.stringContaining('Pending (Unschedulable)'),
    })
    withObjects(pod({ name: 'done-x', node: 'n1', phase: 'Succeeded', ips: ['198.18.1.7'], owner: 'Job/done' }))
    expect(await source('job/done')).toMatchObject({
      code: 'POD_NOT_RUNNING',
      reason: expect.stringContaining('has completed'),
    })
  })
  test('in another namespace of this node: found, with a note; SRC_NAMESPACE and the context decide first', async () => {
    const all = await facts({ SRC_POD: 'coredns' })
    expect(all.source).toMatchObject({ value: { namespace: 'kube-system' } })
    expect(all.notes.join('\n')).toContain('namespace default has no such pod on this node, kube-system has')
    expect(await source('coredns', { SRC_NAMESPACE: 'default' })).toMatchObject({
      code: 'POD_NOT_FOUND',
      reason: expect.stringContaining('in namespace default'),
    })
    withObjects(pod({ name: 'coredns-x', node: 'n1', ips: ['198.18.1.6'] }))
    expect(await source('coredns')).toMatchObject({ value: { namespace: 'default' } })
    const context = bed.kubeconfig({ context: { namespace: 'kube-system' } })
    expect(await source('coredns', { KUBECONFIG: context })).toMatchObject({ value: { namespace: 'kube-system' } })
  })
  test('an account that may read one namespace only', async () => {
    bed.api.behave({ forbidWide: true })
    expect(await source('bbox')).toMatchObject({ state: 'known' })
    const all = await facts({ SRC_POD: 'bbox' })
    expect(all.destinations['other-node']).toMatchObject({ value: { name: 'web-64957f6c7b-bbbbb' } })
  })
})

describe('DST_POD and DST_SVC', () => {
  const named = async (DST_POD: string, env = {}) => (await facts({ SRC_POD: 'bbox', DST_POD, ...env })).destinations
  test('a named pod wins over picks, on any node, with endpoint and declared ports', async () => {
    withObjects(pod({ name: 'db-0', node: 'n2', ips: ['198.18.2.9'], owner: 'StatefulSet/db', ports: [5432] }))
    const rows = await named('sts/db')
    expect(rows.named).toMatchObject({ value: { name: 'db-0', node: 'n2', tcpPorts: [5432], why: 'named by DST_POD' } })
    expect(rows['other-node']).toMatchObject({ state: 'absent', finding: 'DST_POD names the destination' })
    expect((await named('deploy/web')).named).toMatchObject({ value: { name: 'web-64957f6c7b-bbbbb' } })
    expect((await named('coredns')).named).toMatchObject({ value: { namespace: 'kube-system' } })
  })
  test('none, an address, an address that is a pod’s', async () => {
    expect((await named('none')).named).toEqual({ state: 'absent', need: 'DST_POD', finding: 'set to none' })
    expect((await named('198.18.77.7')).named).toMatchObject({
      value: { addresses: ['198.18.77.7'], tcpPorts: [], node: null },
    })
    expect((await named('198.18.2.2')).named).toMatchObject({
      value: { name: 'web-64957f6c7b-bbbbb', tcpPorts: [8080] },
    })
  })
  test('what cannot be found is unknown with the reason; the source is never its own destination', async () => {
    expect((await named('webb')).named).toMatchObject({
      code: 'POD_NOT_FOUND',
      hint: expect.stringContaining('web-64957f6c7b'),
    })
    expect((await named('deploy/bbox')).named).toMatchObject({
      code: 'POD_NOT_FOUND',
      reason: expect.stringContaining('the source pod itself'),
    })
    expect((await named('bbox-7c6b5c99c8-pxh6k')).named).toMatchObject({
      reason: expect.stringContaining('the source pod itself'),
    })
    expect((await named('web', { DST_NAMESPACE: 'shop' })).named).toMatchObject({
      reason: expect.stringContaining('in namespace shop'),
    })
  })
  test('a Service: by name, in another namespace, not found, none', async () => {
    const svc = async (DST_SVC: string) => (await facts({ SRC_POD: 'bbox', DST_SVC })).service
    expect(await svc('web')).toMatchObject({
      value: { name: 'web', why: 'named by DST_SVC', endpoints: { value: { length: 3 } } },
    })
    expect(await svc('kube-dns')).toMatchObject({ value: { namespace: 'kube-system' } })
    expect(await svc('wep')).toMatchObject({ code: 'SERVICE_NOT_FOUND', hint: expect.stringContaining('web') })
    expect(await svc('shop/web')).toMatchObject({
      code: 'SERVICE_NOT_FOUND',
      reason: expect.stringContaining('namespace shop'),
    })
    expect(await svc('none')).toMatchObject({ state: 'absent', finding: 'set to none' })
    withObjects(
      service('api', ['198.19.0.5'], [], { namespace: 'a' }),
      service('api', ['198.19.0.6'], [], { namespace: 'b' }),
    )
    expect(await svc('api')).toMatchObject({
      code: 'SERVICE_NOT_FOUND',
      reason: expect.stringMatching(/a\/api and b\/api/),
    })
  })
})

describe('policies', () => {
  test('a policy on the picked pods: none is picked, and the finding says so', async () => {
    withObjects(networkPolicy('deny', 'default', { podSelector: {}, policyTypes: ['Ingress'] }))
    const all = await facts({ SRC_POD: 'bbox' })
    expect(all.destinations['other-node']).toMatchObject({ state: 'absent' })
    expect(all.policies).toMatchObject({ value: { ingress: ['deny'], egress: [] } })
  })
  const JAIL = networkPolicy('jail', 'default', {
    podSelector: { matchLabels: { app: 'bbox' } },
    policyTypes: ['Egress'],
    egress: [
      {
        to: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
            podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
          },
        ],
        ports: [{ protocol: 'UDP', port: 53 }],
      },
    ],
  })
  const requestsOf = async (env: Record<string, string>) => {
    const before = bed.api.requests.length
    const { policies } = await facts({ SRC_POD: 'bbox', ...env })
    return { policies, requests: bed.api.requests.slice(before) }
  }
  test('without policies one list is all that is asked for, beside the groups of the API', async () => {
    const { policies, requests } = await requestsOf({})
    expect(policies).toMatchObject({ value: { egress: [], ingress: [], limits: [], others: [], unseen: [] } })
    expect(requests.filter((each) => /policies/.test(each))).toEqual([
      expect.stringMatching(/^list networkpolicies \/apis\/networking.k8s.io\/v1\/networkpolicies\?/),
    ])
    expect(requests.filter((each) => /get namespaces/.test(each) && !each.includes('kube-system'))).toEqual([])
  })
  test('what a policy denies is told for each way; labels of other namespaces are read where a selector asks', async () => {
    withObjects(
      JAIL,
      pod({ name: 'coredns-a', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, ips: ['198.18.2.53'] }),
      ...['kube-system', 'default'].map((name): KubeObject => {
        const labels = { 'kubernetes.io/metadata.name': name }
        return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
      }),
    )
    const { policies, requests } = await requestsOf({ DST_SVC: 'web', EXTERNAL_IP: '203.0.113.9' })
    expect(policies).toMatchObject({ state: 'known', value: { egress: ['jail'] } })
    const limits = policies.state === 'known' ? policies.value.limits : []
    const of = (address: string) =>
      limits
        .filter(({ addresses }) => addresses.includes(address))
        .map(({ verdict, protocol, port }) => `${verdict} ${protocol} ${port}`)
    expect(of('203.0.113.9')).toEqual(['denied icmp null'])
    expect(of('198.19.0.1')).toEqual(['denied tcp 443'])
    expect(of('198.51.100.1')).toEqual(['denied tcp 6443', 'denied icmp null'])
    expect(requests.filter((each) => /namespaces\/default$/.test(each))).toHaveLength(1)
  })
  test('policies of the CNI’s own kinds are named; those that may not be read, too', async () => {
    withObjects({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'l7', namespace: 'default' },
    })
    bed.api.behave({ status: { 'list ciliumclusterwidenetworkpolicies': 403 } })
    expect((await requestsOf({})).policies).toMatchObject({
      value: { others: ['CiliumNetworkPolicy'], unseen: ['CiliumClusterwideNetworkPolicy'] },
    })
  })
  test('an account of one namespace: its policies are read, those of others are in doubt', async () => {
    bed.api.behave({ forbidWide: true })
    withObjects(JAIL)
    const { policies } = await requestsOf({ DST_SVC: 'web', DST_POD: 'none', EXTERNAL_IP: '203.0.113.9' })
    expect(policies).toMatchObject({ state: 'known', value: { egress: ['jail'] } })
  })
  test('a policy on what leaves the source: nothing is picked, what is named stays', async () => {
    withObjects(
      networkPolicy('jail', 'default', { podSelector: { matchLabels: { app: 'bbox' } }, policyTypes: ['Egress'] }),
    )
    const all = await facts({ SRC_POD: 'bbox', DST_SVC: 'web' })
    expect(all.destinations['other-node']).toMatchObject({
      state: 'absent',
      finding: expect.stringContaining('NetworkPolicy jail'),
    })
    expect(all.service).toMatchObject({ state: 'known' })
  })
})

describe('DNS', () => {
  const dns = async () => (await facts()).dns
  const port = { name: 'dns', protocol: 'UDP', port: 53 }
  test('RKE2’s own name, by label; beside NodeLocal DNSCache’s upstream Service; OpenShift’s', async () => {
    const labels = { 'k8s-app': 'kube-dns' }
    const system = { namespace: 'kube-system', labels }
    without('Service', 'kube-dns')
    expect(await dns()).toMatchObject({ state: 'absent' })
    bed.api.setObjects([
      ...cluster.filter(({ metadata }) => metadata.name !== 'kube-dns'),
      service('rke2-coredns', ['198.19.0.11'], [port], system),
    ])
    expect(await dns()).toMatchObject({ value: { service: 'kube-system/rke2-coredns' } })
    withObjects(service('a-upstream', ['198.19.0.12'], [port], system))
    expect(await dns()).toMatchObject({ value: { service: 'kube-system/kube-dns' } })
    const openshift = [
      service(
        'dns-default',
        ['198.19.0.10'],
        [
          { ...port, name: 'dns' },
          { name: 'metrics', protocol: 'TCP', port: 9154 },
        ],
        { namespace: 'openshift-dns' },
      ),
      slice(
        'dns-default',
        [{ address: '198.18.1.3' }],
        [
          { ...port, port: 5353 },
          { name: 'metrics', protocol: 'TCP', port: 9154 },
        ],
        { namespace: 'openshift-dns' },
      ),
    ]
    bed.api.setObjects([...cluster.filter(({ metadata }) => metadata.name !== 'kube-dns'), ...openshift])
    expect(await dns()).toMatchObject({
      value: { service: 'openshift-dns/dns-default', replicas: [{ port: 5353, protocol: 'udp' }] },
    })
  })
})

test('a big cluster: pages are followed, and not everything is listed', async () => {
  const many = Array.from({ length: 3_000 }, (_, index) =>
    pod({
      name: `filler-${String(index).padStart(4, '0')}`,
      namespace: 'big',
      node: `m${index % 300}`,
      ips: [`198.18.${64 + (index >> 8)}.${index & 255}`],
    }),
  )
  bed.api.setObjects([...cluster, ...many])
  const before = bed.api.requests.length
  const all = await facts({ SRC_POD: 'bbox', DST_SVC: 'web' })
  expect(all.destinations['other-node']).toMatchObject({ state: 'known' })
  const asked = bed.api.requests.slice(before)
  expect(asked.filter((each) => /list pods \/api\/v1\/pods\?/.test(each) && !each.includes('fieldSelector'))).toEqual(
    [],
  )
  const missing = await facts({ SRC_POD: 'nobody-has-this' })
  expect(missing.source).toMatchObject({ code: 'POD_NOT_FOUND', reason: expect.stringContaining('there are more') })
})

test('a credential plug-in that waits for a password is ended', async () => {
  const path = join(bed.dir, 'waits')
  writeFileSync(path, '#!/bin/sh\nread answer; sleep 30\n')
  chmodSync(path, 0o755)
  const { settings } = parseSettings({ KUBECONFIG: bed.kubeconfig({ user: { exec: { command: path } } }) })
  const access = findAccess(settings)
  if (access.state !== 'known') throw new Error(access.state)
  const start = performance.now()
  expect(await connectionFor(access.value, 300)).toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    reason: expect.stringContaining('did not end within 0.3 s'),
  })
  expect(performance.now() - start).toBeLessThan(1_500)
})
