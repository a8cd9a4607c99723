import { expect, test } from 'vitest'
import { planLines } from '../../../lib/report/plan.ts'
import type { Fact, Plan } from '../../../lib/types.ts'
import { HOSTILE } from './sample.ts'

const unknown = {
  state: 'unknown',
  code: 'API_UNAVAILABLE',
  reason: 'the API did not answer.',
  hint: 'Look at it.',
} as const
const absent = { state: 'absent', need: 'EXTERNAL_IP', finding: 'not set' } as const
const known = <T>(value: T): Fact<T> => ({ state: 'known', value })

const plan: Plan = {
  environment: [],
  addressPools: { state: 'absent', need: 'a range', finding: 'none' },
  runId: 'r',
  probes: 5,
  strict: false,
  trace: false,
  expectedMtu: null,
  ownService: { state: 'absent', need: 'a Service that has the source pod as a ready endpoint', finding: 'none' },
  peerNode: known({ name: 'n2', addresses: ['198.51.100.2'], known: [] }),
  clusterNodes: known({ nodes: [], complete: true }),
  node: {
    name: 'n1',
    nameFrom: 'setting',
    netnsPath: null,
    netns: '4026531840',
    internalIPs: [],
    addressMatches: null,
    podCIDRs: [],
    kubeletPort: null,
  },
  api: {
    server: unknown,
    livez: unknown,
    readyz: unknown,
    service: unknown,
    endpoints: unknown,
    ca: unknown,
    cluster: unknown,
  },
  source: known({
    namespace: 'shop',
    name: 'bbox',
    uid: null,
    addresses: ['198.51.100.5', '2001:db8::5'],
    hostNetwork: false,
    netnsPath: '/proc/7/ns/net',
    netns: '4026532001',
    pid: 7,
    foundBy: 'cgroup scan',
    dnsPolicy: null,
    resolv: unknown,
    workload: null,
  }),
  destinations: {
    named: { state: 'absent', need: 'DST_POD', finding: 'not set' },
    'other-node': known({
      namespace: 'shop',
      name: 'web',
      node: 'n2',
      addresses: ['198.51.100.9'],
      tcpPorts: [8080],
      hostNetwork: false,
      why: 'Ready, behind service shop/web',
    }),
    'same-node': unknown,
  },
  service: known({
    namespace: 'shop',
    name: 'web',
    type: 'ClusterIP',
    clusterIPs: [],
    headless: true,
    externalName: null,
    ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
    endpoints: unknown,
    internalTrafficLocal: false,
    why: 'it has ready endpoints',
  }),
  dns: known({
    clusterIPs: ['198.51.100.53'],
    service: 'kube-system/kube-dns',
    replicas: [],
  }),
  policies: known({
    egress: ['jail'],
    ingress: [],
    limits: [
      {
        verdict: 'denied',
        addresses: ['198.51.100.9'],
        protocol: 'tcp',
        port: 8080,
        why: 'NetworkPolicy shop/jail selects pod shop/bbox for egress',
        varies: false,
        missing: [],
      },
    ],
    wayBack: {},
    others: [],
    unseen: [],
  }),
  expectDenied: [],
  external: { ipv4: known('203.0.113.1'), ipv6: absent },
  externalName: known('www.example.org'),
  peers: [],
  notes: [HOSTILE],
  obstacles: [{ place: 'pod', code: 'PERMISSION_MISSING', reason: 'not root.', hint: 'Run as root.' }],
  unusable: null,
  settings: [{ name: 'SRC_POD', value: 'bbox' }],
}

test('the dry run tells what is known with its reason, what is unknown with the hint, and what does not apply', () => {
  const text = planLines(plan)
  const lines = text.split('\n')
  for (const line of [
    'Plan (dry run: nothing is sent to a pod)',
    '  node                    n1 (NODE_NAME), network namespace 4026531840',
    '  another node            n2 at 198.51.100.2',
    '  API server              unknown (API_UNAVAILABLE): the API did not answer. Look at it.',
    '  source pod              shop/bbox at 198.51.100.5, 2001:db8::5, network namespace 4026532001 (cgroup scan)',
    '  destination pod, named  not applicable: needs DST_POD, not set',
    '  pod on another node     shop/web at 198.51.100.9 on n2, TCP 8080 (Ready, behind service shop/web)',
    '  service                 shop/web ClusterIP headless, ports tcp/80 (it has ready endpoints)',
    '  cluster DNS             kube-system/kube-dns at 198.51.100.53',
    '  external, IPv4          203.0.113.1',
    '  external, IPv6          not applicable: needs EXTERNAL_IP, not set',
    '  external name           www.example.org',
    '  - SRC_POD=bbox',
    '  - PERMISSION_MISSING (pod): not root. Run as root.',
  ]) {
    expect(lines).toContain(line)
  }
  expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
})

test('a plan that no check can use says so first', () => {
  const unusable = { code: 'SETTINGS_INVALID', reason: 'PROBES=x is no number', hint: 'Write PROBES=5.' }
  expect(planLines({ ...plan, unusable }).split('\n')[1]).toBe(
    '  No check can ask anything. SETTINGS_INVALID: PROBES=x is no number. Write PROBES=5.',
  )
})
