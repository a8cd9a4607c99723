/** Reports for the tests of the renderers: one with every verdict, and builders for variations. */
import type { CheckRecord, Finding, Report, Result } from '../../../lib/types.ts'

export function result(
  file: string,
  question: string,
  record: Partial<CheckRecord> & Pick<CheckRecord, 'verdict'>,
): Result {
  const place = record.place ?? (file.startsWith('checks/pod') ? 'pod' : 'node')
  const name = `${question}${record.family ? ` over IPv${record.family}` : ''}, from the ${place}`
  const about = { id: `${file} > ${name}`, file, name, seconds: 0.0123456, findings: [] }
  return { ...about, check: question, place, seen: '', evidence: [], targets: [], ...record }
}

export function report(results: readonly Result[], changes: Partial<Report> = {}): Report {
  return {
    schema: 1,
    tool: { name: 'k8snetlook', version: '0.1.0' },
    runId: 'run-7f3a',
    node: 'n1',
    clusterUid: '0f9d3a52-7c1e-4a57-9a52-1c9b6f1d2e10',
    started: '2026-03-04T03:07:21.123Z',
    finished: '2026-03-04T03:07:25.523Z',
    state: 'complete',
    verdict: 'pass',
    exitCode: 0,
    source: { namespace: 'shop', name: 'bbox-6d4', foundBy: 'CRI containerd 2.1.4 at /run/containerd/containerd.sock' },
    settings: [
      { name: 'SRC_POD', value: 'bbox' },
      { name: 'STRICT', value: 'false' },
      { name: 'EXTERNAL_IP', value: '' },
    ],
    notes: [
      'destination pod on another node: shop/web-7c9-x on n2, Ready behind service shop/web, selected by no NetworkPolicy',
      "service: shop/web, it has ready endpoints and is in the source pod's namespace",
    ],
    results,
    errors: [],
    findings: [],
    ...changes,
  }
}

const forbidden: Partial<CheckRecord> & Pick<CheckRecord, 'verdict'> = {
  verdict: 'inconclusive',
  code: 'API_FORBIDDEN',
  seen: 'the account system:serviceaccount:netlook:reader may not list endpointslices in namespace shop',
  hint: 'Grant `list` on endpointslices.discovery.k8s.io: `kubectl auth can-i list endpointslices -n shop`.',
}

const web = {
  role: 'destination pod',
  name: 'shop/web-7c9-x',
  address: '198.51.100.9',
  family: 4 as const,
  node: 'n2',
  zone: 'a',
}

/** Every verdict once at least, and every kind of evidence. */
export const everything: readonly Result[] = [
  result('checks/pod/path-mtu.test.ts', 'the path to a pod on another node carries full-size packets', {
    verdict: 'fail',
    family: 4,
    code: 'PATH_MTU_BLACK_HOLE',
    seen: '1400 bytes arrive; 1401 to 1450 bytes vanish, and no router says so',
    evidence: [
      { kind: 'scalar', name: 'promised', value: 1450, unit: 'bytes' },
      { kind: 'scalar', name: 'largest that arrived', value: 1400, unit: 'bytes' },
      { kind: 'samples', name: 'round trip', values: [0.31, 0.29, 0.44], unit: 'ms' },
      {
        kind: 'path',
        name: 'path',
        hops: [
          { name: 'pod', mtu: 1450 },
          { name: 'n1', address: '192.0.2.11', mtu: 1500 },
          { name: 'n2', note: 'silent' },
        ],
      },
    ],
    targets: [web],
  }),
  result('checks/pod/path-mtu.test.ts', 'the path to a pod on another node carries full-size packets', {
    verdict: 'pass',
    family: 6,
    seen: '1450 bytes arrive, as promised',
    evidence: [{ kind: 'scalar', name: 'promised', value: 1450, unit: 'bytes' }],
  }),
  result('checks/pod/endpoints-tcp.test.ts', 'every ready endpoint of the destination service answers TCP', {
    verdict: 'fail',
    family: 4,
    code: 'UNREACHABLE',
    seen: '1 of 3 endpoints does not answer: shop/web-7c9-z at 198.51.100.11 port 8080 on n3',
    evidence: [
      {
        kind: 'table',
        name: 'endpoints',
        columns: ['pod', 'address', 'node', 'answered', 'ms'],
        rows: [
          ['shop/web-7c9-z', '198.51.100.11', 'n3', false, null],
          ['shop/web-7c9-x', '198.51.100.9', 'n2', true, 0.41],
          ['shop/web-7c9-y', '198.51.100.10', 'n2', true, 0.39],
        ],
      },
    ],
    targets: [web],
  }),
  result('checks/pod/service.test.ts', 'the service answers on each of its ClusterIPs and ports', {
    family: 4,
    ...forbidden,
  }),
  result('checks/pod/service.test.ts', 'the service answers on each of its ClusterIPs and ports', {
    family: 6,
    ...forbidden,
  }),
  result('checks/pod/external-ping.test.ts', 'the external address answers ping', {
    verdict: 'not-applicable',
    family: 4,
    seen: 'needs EXTERNAL_IP, not set',
  }),
  result('checks/pod/external-ping.test.ts', 'the external address answers ping', {
    verdict: 'not-applicable',
    family: 6,
    seen: 'needs EXTERNAL_IP, not set',
  }),
  result('checks/pod/gateway.test.ts', 'the default gateway answers', {
    verdict: 'pass',
    family: 4,
    seen: '169.254.1.1 is at ee:ee:ee:ee:ee:ee',
  }),
  result('checks/host/gateway.test.ts', 'the default gateway answers', {
    verdict: 'warn',
    family: 4,
    code: 'PACKET_LOSS',
    seen: '1 of 25 echoes to 192.0.2.1 lost (4 %)',
    evidence: [{ kind: 'samples', name: 'round trip', values: [0.2, 0.3], unit: 'ms' }],
  }),
  result('checks/host/preflight.test.ts', 'nothing stands in the way of looking', { verdict: 'pass' }),
  result('checks/host/api-server.test.ts', 'the API server that the kubeconfig names answers', {
    verdict: 'pass',
    family: 4,
    seen: 'https://192.0.2.10:6443 answered 200 in 3 ms',
  }),
]

const endpoints = 'checks/pod/endpoints-tcp.test.ts > every ready endpoint of the destination service answers TCP'

/** Two causes of what fails in `everything`, roots first; the second is proven by a failure of its own code. */
export const findings: readonly Finding[] = [
  {
    id: 'TUNNEL_UNANSWERED-1',
    code: 'TUNNEL_UNANSWERED',
    cause: 'Tunnel packets from node n1 to node n3 (198.51.100.3) on UDP 8472 leave, and nothing comes back.',
    confidence: 'proven',
    evidence: [
      {
        kind: 'table',
        name: 'TCP port 8080 of 198.51.100.11 asked again 7, 0, 11 times: seen',
        columns: ['where', 'interface', 'times'],
        rows: [['node n1', 'out by eth0', '7, 0, 11']],
      },
    ],
    remedy: 'Open UDP 8472 between n1 and n3: `nft list ruleset` on both.',
    explains: [`${endpoints} over IPv4, from the pod`],
    again: 'SRC_POD=shop/bbox-6d4 npx vitest run checks/pod/endpoints-tcp.test.ts',
    hides: 'whether the pods on n3 listen',
  },
  {
    id: 'PATH_MTU_BLACK_HOLE-2',
    code: 'PATH_MTU_BLACK_HOLE',
    cause: '1400 bytes arrive at shop/web-7c9-x; 1401 to 1450 bytes vanish, and no router says so.',
    confidence: 'likely',
    evidence: [],
    remedy: 'Set the pod network MTU to 1400.',
    explains: [
      'checks/pod/path-mtu.test.ts > the path to a pod on another node carries full-size packets over IPv4, from the pod',
    ],
    again: 'SRC_POD=shop/bbox-6d4 npx vitest run checks/pod/path-mtu.test.ts',
    hides: null,
  },
]

/** `everything` with its causes. */
export const explained: readonly Result[] = everything.map((one) => ({
  ...one,
  findings: findings.filter(({ explains }) => explains.includes(one.id)).map(({ id }) => id),
}))

const full = (to: string) => `full-size packets reach ${to}`

/** Measured paths of every kind: as promised, lower and signalled, a black hole, not known exactly. */
export const paths: readonly Result[] = [
  result('checks/pod/mtu-destination.test.ts', full('a pod on another node'), {
    verdict: 'fail',
    family: 4,
    code: 'PATH_MTU_BLACK_HOLE',
    seen: '1400 bytes arrive; 1401 to 1450 bytes vanish, and no router says so',
    evidence: [
      {
        kind: 'path',
        name: 'path',
        mtu: { promised: 1450, measured: 1400, signalledBy: null },
        hops: [
          { name: 'source', mtu: 1450, note: 'promised' },
          { name: 'n1', address: '192.0.2.11', mtu: 1450, stops: true },
          { name: 'shop/web-7c9d5c6b4f-x2x9k-of-a-long-name', address: '198.51.100.9', mtu: 1400 },
        ],
      },
    ],
  }),
  result('checks/pod/mtu-destination.test.ts', full('a pod on another node'), {
    verdict: 'warn',
    family: 6,
    code: 'PATH_MTU_LOWER',
    seen: 'packets of up to 1280 bytes reach shop/web although 1450 are promised',
    evidence: [
      {
        kind: 'path',
        name: 'path',
        mtu: { promised: 1450, measured: 1280, signalledBy: '2001:db8:1234:5678:9abc:def0:1234:5678' },
        hops: [
          { name: 'source', mtu: 1450, note: 'promised' },
          {
            name: 'signals a lower MTU',
            address: '2001:db8:1234:5678:9abc:def0:1234:5678',
            mtu: 1280,
          },
          { name: 'shop/web-7c9-x', address: '2001:db8::9', mtu: 1280 },
        ],
      },
    ],
  }),
  result('checks/pod/mtu-destination.test.ts', full('a pod on the same node'), {
    verdict: 'pass',
    family: 4,
    seen: '1450 bytes, as promised',
    evidence: [
      {
        kind: 'path',
        name: 'path',
        mtu: { promised: 1450, measured: 1450, signalledBy: null },
        hops: [
          { name: 'source', mtu: 1450, note: 'promised' },
          { name: 'shop/web-7c9-y', address: '198.51.100.10', mtu: 1450 },
        ],
      },
    ],
  }),
  result('checks/host/mtu-external.test.ts', full('the external address'), {
    verdict: 'inconclusive',
    family: 4,
    code: 'PROBE_INCONCLUSIVE',
    seen: '40 % of the echoes are lost, so the path MTU is not known exactly',
    evidence: [
      {
        kind: 'path',
        name: 'path',
        mtu: { promised: 1500, measured: null, signalledBy: null },
        hops: [{ name: 'source', mtu: 1500, note: 'promised' }, { name: '203.0.113.7' }],
      },
    ],
  }),
]

const dnsServer = {
  role: 'a nameserver of the pod',
  name: '198.51.100.10',
  address: '198.51.100.10',
  family: 4 as const,
}

/** What is measured on the way: round trips, loss, and the times of answers. */
export const pings: readonly Result[] = [
  result('checks/pod/endpoints-ping.test.ts', 'every endpoint answers ping', {
    verdict: 'fail',
    family: 4,
    code: 'PACKET_LOSS',
    evidence: [
      {
        kind: 'table',
        name: 'echoes',
        columns: ['target', 'address', 'sent', 'received', 'loss %', 'min ms', 'avg ms', 'max ms'],
        rows: [
          ['shop/web-7c9-x', '198.51.100.9', 10, 10, 0, 0.2, 0.4, 9],
          ['shop/web-7c9-z', '198.51.100.11', 10, 5, 50, 0.3, 0.5, 1],
        ],
      },
    ],
  }),
  result('checks/pod/dns-kubernetes.test.ts', 'the nameservers resolve kubernetes.default', {
    verdict: 'pass',
    family: 4,
    answers: [2, 4].map((ms) => ({ target: dnsServer, code: null, said: 'answered', ms })),
  }),
  result('checks/pod/destination-tcp.test.ts', 'the destination pod takes connections', {
    verdict: 'pass',
    family: 4,
    row: 'same-node',
    answers: [{ target: web, code: null, said: 'connected', ms: 0.4 }],
  }),
]

/** Foreign text that tries to break out of every format. */
export const HOSTILE =
  '"quo\'ted" ]]> ]]> <script>alert(1)</script> <skipped/> <testsuite \u001b[31mred\u001b]0;title\u0007 \u202egnp.exe\u2066 \u0000\u0008\ud800 &amp; time="9" {{x}} `id` $& Bearer abc.def-123456789012345'
