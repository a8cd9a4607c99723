/** What a run on a healthy cluster must look like: all green, and green for having asked. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { Family, Report } from '../../lib/types.ts'
import type { Families } from '../bed/addresses.ts'
import { checkOf, type SuiteRun, troubles } from './suite.ts'

const CHECKS = fileURLToPath(new URL('../../checks', import.meta.url))

/** Every check of the product: "pod/gateway". */
export const allChecks: readonly string[] = ['host', 'pod'].flatMap((place) =>
  readdirSync(`${CHECKS}/${place}`).map((file) => `${place}/${file.replace('.test.ts', '')}`),
)

/** Questions that have no family. */
const ONCE = [
  ...['host/preflight', 'host/api-livez', 'host/api-readyz', 'host/kubeconfig-server', 'host/clock'],
  ...['pod/preflight', 'pod/link', 'pod/sidecar'],
  ...['host/service-rules', 'host/conntrack-stale'],
  ...['host/conntrack-fill', 'host/iptables-back-ends', 'host/kube-proxy', 'host/kubelet', 'host/reverse-path'],
  ...['host/traffic-conntrack', 'host/traffic-interface', 'host/vxlan-checksum'],
]

/** Of services of other kinds than the one that is there, see services.test.ts. */
const OTHER_SERVICES = ['pod/service-hairpin', 'pod/service-load-balancer', 'pod/service-node-port']

/** Asked in a run over all nodes only, which sets PEERS. */
const PEERS = ['host/peers-ping', 'pod/peers-mtu', 'pod/peers-ping', 'pod/peers-tcp']

/** What only the machine's first network namespace shows. */
const MACHINE = ['host/neighbour-table', 'host/traffic-cpu']

/** Of the second family in a dual-stack cluster there is no API server, and no nameserver in a pod's resolv.conf. */
const SINGLE = ['host/api-cluster-ip', 'host/api-endpoints', 'pod/api-cluster-ip', 'pod/api-endpoints', 'pod/mtu-api']
const FIRST_NAMESERVER = ['dns-external', 'dns-kubernetes', 'dns-race', 'dns-search', 'dns-service'].map(
  (check) => `pod/${check}`,
)

/** Checks that must have passed over a family. */
function mustPass(families: Families, family: Family): string[] {
  if (families !== 'dual' && families !== String(family)) return []
  const absent = families === 'dual' && family === 6 ? [...SINGLE, ...FIRST_NAMESERVER] : []
  return allChecks.filter((check) => ![...ONCE, ...MACHINE, ...OTHER_SERVICES, ...PEERS, ...absent].includes(check))
}

const passed = (report: Report, family?: Family) =>
  report.results.filter((result) => result.verdict === 'pass' && result.family === family).map(checkOf)

/** Asserts that nothing is wrong, and that every check was answered over every family that it can be asked over. */
export function expectHealthy(run: SuiteRun, families: Families): void {
  expect(troubles(run.report), run.output).toEqual([])
  expect(run.exitCode).toBe(0)
  expect(run.report).toMatchObject({ state: 'complete', verdict: 'pass', exitCode: 0, errors: [] })
  expect(passed(run.report)).toEqual(expect.arrayContaining(ONCE))
  for (const family of [4, 6] as const) {
    expect([...new Set(passed(run.report, family))].sort(), `over IPv${family}`).toEqual(
      mustPass(families, family).sort(),
    )
  }
}
