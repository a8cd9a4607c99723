import type { V1EndpointSlice, V1Pod, V1Service } from '@kubernetes/client-node'
import { describe, expect, test } from 'vitest'
import { healthOutcome } from '../../../lib/kube/cluster.ts'
import { firstLine, listing, withoutSecrets } from '../../../lib/kube/fact.ts'
import { serverUrl } from '../../../lib/kube/kubeconfig.ts'
import { endpointsOf, podObject, serviceBasics } from '../../../lib/kube/objects.ts'
import { pod, service, slice } from '../../bed/api-standin-objects.ts'

const slices = (...all: object[]) => all as V1EndpointSlice[]
const tcp = { name: 'http', protocol: 'TCP', port: 8080 }

describe('endpoints', () => {
  test('ready unset means ready; only the first address counts; protocol defaults to TCP', () => {
    const found = endpointsOf(
      slices({ endpoints: [{ addresses: ['198.18.1.1', '198.18.1.2'] }], ports: [{ port: 80 }] }),
    )
    expect(found).toEqual([{ address: '198.18.1.1', family: 4, port: 80, protocol: 'tcp', portName: '', ready: true }])
  })
  test('several slices, both families, each address and port once; ready in one slice is ready', () => {
    const found = endpointsOf(
      slices(
        slice('a', [{ address: '198.18.1.1', ready: false }], [tcp]),
        slice('a', [{ address: '198.18.1.1', ready: true }, { address: '198.18.1.2' }], [tcp], { suffix: 'b' }),
        slice(
          'a',
          [{ address: '2001:db8::1', pod: 'x', node: 'n1', zone: 'z' }],
          [tcp, { name: 'm', protocol: 'UDP', port: 53 }],
        ),
      ),
    )
    expect(found.map(({ address, port, ready }) => [address, port, ready])).toEqual([
      ['198.18.1.1', 8080, true],
      ['198.18.1.2', 8080, true],
      ['2001:db8::1', 8080, true],
      ['2001:db8::1', 53, true],
    ])
    expect(found[2]).toMatchObject({ family: 6, pod: 'default/x', node: 'n1', zone: 'z' })
  })
  test('names instead of addresses are left out, slices without endpoints or ports do no harm', () => {
    expect(
      endpointsOf(slices({ addressType: 'FQDN', endpoints: [{ addresses: ['x.example'] }], ports: [tcp] })),
    ).toEqual([])
    expect(endpointsOf(slices({ addressType: 'IPv4' }, { endpoints: null, ports: null }))).toEqual([])
    expect(endpointsOf(slices({ endpoints: [{ addresses: ['198.18.1.1'] }], ports: [] }))).toMatchObject([{ port: 0 }])
  })
})

describe('services', () => {
  const of = (spec: object) => serviceBasics(service('a', ['198.19.0.1'], [tcp], { spec }) as unknown as V1Service)
  test('ClusterIP, headless, ExternalName, Local', () => {
    expect(of({})).toMatchObject({ type: 'ClusterIP', headless: false, clusterIPs: ['198.19.0.1'], externalName: null })
    expect(of({ clusterIP: 'None', clusterIPs: ['None'] })).toMatchObject({ headless: true, clusterIPs: [] })
    expect(
      of({ type: 'ExternalName', externalName: 'x.example', clusterIP: undefined, clusterIPs: undefined }),
    ).toMatchObject({
      type: 'ExternalName',
      headless: false,
      clusterIPs: [],
      externalName: 'x.example',
    })
    expect(of({ internalTrafficPolicy: 'Local' }).internalTrafficLocal).toBe(true)
  })
})

test('a static pod is known to the runtime by the hash of its manifest', () => {
  const annotations = { 'kubernetes.io/config.mirror': 'abc', 'kubernetes.io/config.hash': 'abc' }
  const of = (metadata: object) => podObject(pod({ name: 'etcd-n1', owner: 'Node/n1', metadata }) as unknown as V1Pod)
  expect(of({ annotations })).toMatchObject({ staticUid: 'abc', workload: null })
  expect(of({})).toMatchObject({ staticUid: null })
})

test('a pod without status, spec or owners is a pod still', () => {
  expect(podObject({})).toMatchObject({ phase: 'Unknown', ready: false, addresses: [], workload: null, node: null })
})

describe('health', () => {
  test('failing lines name the sub-check; excluded ones do not exist', () => {
    const body = '[+]ping ok\n[-]etcd failed: reason withheld\n[+]log excluded: ok\nlivez check failed\n'
    const outcome = healthOutcome('livez', 500, body)
    expect(outcome).toMatchObject({ ok: false, code: 'API_NOT_HEALTHY', detail: 'livez fails: etcd' })
    expect(outcome.evidence).toMatchObject([
      {
        rows: [
          ['ping', 'ok'],
          ['etcd', 'failed: reason withheld'],
        ],
      },
    ])
  })
  test('200 is healthy, also when the body says only ok; 500 without a list is not', () => {
    expect(healthOutcome('livez', 200, 'ok')).toMatchObject({ ok: true, value: [] })
    expect(healthOutcome('livez', 500, 'oops')).toMatchObject({ ok: false, detail: expect.stringContaining('500') })
  })
})

test('a server may be written without a scheme, as an address of either family', () => {
  expect(serverUrl('https://[2001:db8::1]:6443')?.hostname).toBe('[2001:db8::1]')
  expect(serverUrl('198.51.100.1:6443')?.href).toBe('https://198.51.100.1:6443/')
  expect(serverUrl('http://localhost:8001')?.protocol).toBe('http:')
  expect(serverUrl('ftp://x')).toBeNull()
  expect(serverUrl('https://')).toBeNull()
})

test('sentences hold no secrets and no second line', () => {
  expect(firstLine('token: abc.def\nmore')).toBe('token: …')
  expect(withoutSecrets(`got eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2ln`)).toBe('got …')
  expect(withoutSecrets('exec: executable aws failed with exit code 255')).toBe(
    'exec: executable aws failed with exit code 255',
  )
  expect(listing(['a', 'b', 'c'])).toBe('a, b and c')
  expect(listing(['a', 'b', 'c'], 2)).toBe('a, b and 1 more')
})
