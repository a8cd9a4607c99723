/** What holds for every run of the product, whatever it met. */
import { expect } from 'vitest'
import type { Families } from '../bed/addresses.ts'
import { violations } from '../unit/report/schema.ts'
import { type ProductRun, troubles, withVerdict } from './lab-product.ts'

/** Rows that need DST_POD, and questions that a cluster with single-stack service "kubernetes" does not have. */
const NAMED = ['destination-ping', 'destination-tcp', 'mtu-destination', 'mtu-way-back'].map(
  (check) => `pod/${check} named`,
)
const API = ['host/api-cluster-ip', 'host/api-endpoints', 'pod/api-cluster-ip', 'pod/api-endpoints', 'pod/mtu-api']
const OF_FAMILY = [
  ...[
    ...['host/gateway', 'host/address-pool'],
    ...['host/mtu-node', 'host/forwarding', 'host/bridge-netfilter', 'host/pod-routes', 'host/tunnel-entries'],
    'pod/mtu-way-back same-node',
    'pod/gateway',
    'pod/external-ping',
    'pod/mtu-external',
    'pod/service-cluster-ip',
  ],
  ...['dns-external', 'dns-kubernetes', 'dns-race', 'dns-replicas', 'dns-search', 'dns-service'].map(
    (check) => `pod/${check}`,
  ),
  ...['pod/endpoints-ping', 'pod/endpoints-port'],
  ...['pod/addresses', 'pod/duplicate-address', 'pod/routes'],
  ...['destination-ping', 'destination-tcp', 'mtu-destination'].flatMap((check) => [
    `pod/${check} other-node`,
    `pod/${check} same-node`,
  ]),
]
const ONCE = [
  ...['host/preflight', 'host/api-livez', 'host/api-readyz', 'host/kubeconfig-server', 'host/clock'],
  ...['pod/preflight', 'pod/link', 'pod/sidecar'],
  ...['host/conntrack-stale', 'host/conntrack-fill', 'host/iptables-back-ends', 'host/reverse-path'],
  ...['host/traffic-conntrack', 'host/traffic-interface', 'host/vxlan-checksum'],
]
/** The lab has no kubelet, no kube-proxy, one kind of service and no PEERS; only the machine's first network namespace shows the others. */
const NOT_HERE = [
  ...['host/kubelet', 'host/kube-proxy', 'host/traffic-cpu', 'host/service-rules'],
  ...['host/neighbour-table', 'pod/service-hairpin', 'pod/service-load-balancer', 'pod/service-node-port'].flatMap(
    (check) => [`${check} IPv4`, `${check} IPv6`],
  ),
  ...['host/peers-ping', 'pod/peers-mtu', 'pod/peers-ping', 'pod/peers-tcp'].flatMap((check) => [
    `${check} IPv4`,
    `${check} IPv6`,
  ]),
]

const over = (family: 4 | 6) => (what: string) => `${what} IPv${family}`

/** A run in which everything that applies passed; exactly what the cluster does not have does not apply. */
export function expectHealthy(run: ProductRun, families: Families): void {
  const { report } = run
  expect(troubles(report)).toEqual([])
  const missing = families === 'dual' ? [] : OF_FAMILY.map(over(families === '4' ? 6 : 4))
  const withoutApi = API.map(over(families === '6' ? 4 : 6))
  const notApplicable = [
    ...NAMED.flatMap((what) => [over(4)(what), over(6)(what)]),
    ...withoutApi,
    ...missing,
    ...NOT_HERE,
  ]
  expect(withVerdict(report, 'not-applicable')).toEqual(notApplicable.sort())
  const all = [...ONCE, ...[...API, ...OF_FAMILY, ...NAMED].flatMap((what) => [over(4)(what), over(6)(what)])]
  expect(withVerdict(report, 'pass')).toEqual(all.filter((what) => !notApplicable.includes(what)).sort())
  expect(run.exitCode).toBe(0)
  expectConsistent(run)
}

/** The JSON is as its schema says. Terminal, JSON, JUnit and HTML say the same, in sentences: no stack trace, no path into a dependency. */
export function expectConsistent(run: ProductRun, { terminal = true } = {}): void {
  const { report, junit, html, exitCode } = run
  const output = run.stdout + run.stderr
  expect(exitCode).toBe(report.exitCode)
  expect(violations(report)).toEqual([])
  const count = (verdict: string) => report.results.filter((result) => result.verdict === verdict).length
  const { comparison, errors } = report
  const excused = comparison?.changes.filter((change) => change.excused).length ?? 0
  const worse = comparison?.gate && comparison.worse.length > 0 ? 1 : 0
  const expired = errors.some(({ code }) => code === 'WAIVER_EXPIRED') ? 1 : 0
  expect(matches(junit, /<failure /g)).toBe(count('fail') - excused + worse + expired)
  expect(matches(junit, /<skipped/g)).toBe(count('not-applicable') + excused)
  expect(matches(junit, /<error /g)).toBeGreaterThanOrEqual(count('inconclusive'))
  expect(/<dt>Exit code<\/dt><dd>(\d)<\/dd>/.exec(html)?.[1]).toBe(String(exitCode))
  if (terminal) expect(output).toContain(`exit code ${exitCode}`)
  expectSentences(run)
}

/** No stack trace and no name of a dependency's file, in the terminal nor in a report. */
function expectSentences({ stdout, stderr, junit, html, report }: ProductRun): void {
  for (const text of [stdout, stderr, junit, html, JSON.stringify(report, null, 1)]) {
    const suspicious = text.split('\n').filter((line) => /^\s+at .*\d+:\d+\)?$|node_modules/.test(line))
    expect(suspicious).toEqual([])
  }
}

const matches = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0
