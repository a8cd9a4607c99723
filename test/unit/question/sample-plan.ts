/** A plan in which everything is known, on addresses that no test sends to, and the pieces to vary it. */
import type { Endpoint, Fact, Plan, PodTarget, ServiceFacts, Source, Target } from '../../../lib/types.ts'

export const known = <T>(value: T): Fact<T> => ({ state: 'known', value })
export const unknown = (code = 'API_FORBIDDEN'): Extract<Fact<never>, { state: 'unknown' }> => ({
  state: 'unknown',
  code,
  reason: `reason of ${code}`,
  hint: `hint of ${code}`,
})
export const absent = (need = 'DST_SVC'): Fact<never> => ({ state: 'absent', need, finding: 'not set' })

export const endpoint = (address: string, changes: Partial<Endpoint> = {}): Endpoint => ({
  address,
  family: address.includes(':') ? 6 : 4,
  port: 8080,
  protocol: 'tcp',
  portName: 'http',
  ready: true,
  node: 'n2',
  ...changes,
})

export const target = (address: string, changes: Partial<Target> = {}): Target => ({
  role: 'a ready endpoint',
  name: 'web',
  address,
  family: address.includes(':') ? 6 : 4,
  protocol: 'tcp',
  port: 8080,
  ...changes,
})

const pod: PodTarget = {
  namespace: 'default',
  name: 'web',
  node: 'n2',
  addresses: ['198.18.2.9', '2001:db8:18:2::9'],
  tcpPorts: [8080],
  hostNetwork: false,
  why: 'picked',
}

export const source: Source = {
  namespace: 'default',
  name: 'bbox',
  uid: 'u',
  addresses: ['198.18.1.9', '2001:db8:18:1::9'],
  hostNetwork: false,
  netnsPath: '/proc/1/ns/net',
  netns: '2',
  pid: 1,
  foundBy: 'test',
  dnsPolicy: 'ClusterFirst',
  resolv: known({
    nameservers: ['198.19.0.10'],
    search: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
    ndots: 5,
    options: [],
  }),
  workload: null,
}

export const service: ServiceFacts = {
  namespace: 'default',
  name: 'web',
  type: 'ClusterIP',
  clusterIPs: ['198.19.0.20', '2001:db8:19::20'],
  headless: false,
  externalName: null,
  ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
  endpoints: known([endpoint('198.18.2.9'), endpoint('2001:db8:18:2::9')]),
  internalTrafficLocal: false,
  why: 'named',
}

let runs = 0

/** Each plan is a run of its own: answers are shared within a run (lib/question/question.ts). */
export function plan(changes: Partial<Plan> = {}): Plan {
  return {
    runId: `run-${runs++}`,
    probes: 3,
    strict: false,
    trace: false,
    expectedMtu: null,
    peerNode: known({ name: 'n2', addresses: ['198.51.100.2'], known: ['198.51.100.1', '198.51.100.2'] }),
    clusterNodes: known({
      complete: true,
      nodes: ['n1', 'n2'].map((name, i) => ({
        name,
        ready: true,
        runsPods: true,
        addresses: [`198.51.100.${i + 1}`],
        podCIDRs: [`198.18.${i + 1}.0/24`, `2001:db8:18:${i + 1}::/64`],
      })),
    }),
    node: {
      name: 'n1',
      nameFrom: 'setting',
      netnsPath: null,
      netns: '1',
      internalIPs: ['198.51.100.1'],
      addressMatches: true,
      podCIDRs: ['198.18.1.0/24', '2001:db8:18:1::/64'],
      kubeletPort: 10250,
    },
    api: {
      server: known({
        url: 'https://198.51.100.1:6443',
        from: '/etc/kubernetes/admin.conf',
        host: '198.51.100.1',
        port: 6443,
        addresses: ['198.51.100.1'],
        serverName: '198.51.100.1',
        ca: null,
        insecure: false,
      }),
      livez: known({ ok: true, value: [], evidence: [] }),
      readyz: known({ ok: true, value: [], evidence: [] }),
      service: known({ clusterIPs: ['198.19.0.1'], port: 443 }),
      endpoints: known([endpoint('198.51.100.1', { port: 6443 })]),
      ca: known('PEM'),
      cluster: known({ uid: 'c', version: 'v1.35.0' }),
    },
    source: known(source),
    destinations: { named: absent('DST_POD'), 'other-node': known(pod), 'same-node': known(pod) },
    service: known(service),
    ownService: absent('a Service that has the source pod as a ready endpoint'),
    dns: known({
      clusterIPs: ['198.19.0.10'],
      service: 'kube-system/kube-dns',
      replicas: [endpoint('198.18.2.53', { port: 53, protocol: 'udp' })],
    }),
    policies: known({ egress: [], ingress: [], limits: [], wayBack: {}, others: [], unseen: [] }),
    expectDenied: [],
    addressPools: absent('a range for pods on the Node object'),
    external: { ipv4: known('203.0.113.9'), ipv6: absent('EXTERNAL_IP') },
    externalName: known('www.example.org'),
    peers: [],
    environment: [],
    notes: [],
    obstacles: [],
    unusable: null,
    settings: [],
    ...changes,
  }
}
