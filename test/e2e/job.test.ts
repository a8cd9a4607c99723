/** The Job of deploy/ on a real cluster, with its own account, capabilities and settings; and that account with one right less. */
import { readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Element, xml2js } from 'xml-js'
import { importImage } from '../bed/containerd.ts'
import { type Cluster, type ClusterNode, startCluster } from '../bed/kubernetes/cluster.ts'
import { productImage } from '../bed/product-image.ts'
import { FAULTS, linesOf } from './faults.ts'
import { expectHealthy } from './healthy.ts'
import { inShell, type JobRun, runJob } from './job-run.ts'
import { accountWithout, allRights, type Right, withoutDefaults } from './rights.ts'
import { runSuite, troubles } from './suite.ts'

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url))
const SOURCE = { SRC_POD: 'default/deploy/bbox' }

let cluster: Cluster
let nodes: readonly [ClusterNode, ClusterNode]

beforeAll(async () => {
  const image = await productImage()
  cluster = await startCluster({ prefix: 'job' })
  nodes = cluster.nodes as unknown as typeof nodes
  for (const { socket } of nodes) await importImage(socket, image.tar)
})
afterAll(() => cluster?.stop())

/** What a script prints; it must not fail. */
async function shell(script: string): Promise<string> {
  const { exitCode, output } = await inShell(cluster, DEPLOY, script)
  expect(exitCode, output).toBe(0)
  return output
}

/** The JUnit file that the README's recipe leaves is the run's. */
function expectJUnit({ junit, report }: JobRun): void {
  const cases = (element: Element): number =>
    (element.name === 'testcase' ? 1 : 0) + (element.elements ?? []).reduce((sum, inner) => sum + cases(inner), 0)
  // one more says how the run ended
  expect(cases(xml2js(junit) as Element)).toBe(report.results.length + 1)
}

test('kustomize makes all of deploy/; the CronJob has the spec of the Job', async () => {
  const rendered = await shell(
    'for d in base overlays/*; do kubectl kustomize $d | kubectl apply --dry-run=client -f - ; done',
  )
  expect(rendered.match(/^job\.batch/gm)).toHaveLength(2)
  expect(rendered.match(/^cronjob\.batch/gm)).toHaveLength(1)
  const spec = (path: string, dir: string) =>
    shell(`kubectl kustomize ${dir} | kubectl create --dry-run=client -f - -o jsonpath='${path}'`)
  const [job, cronJob] = await Promise.all([
    spec('{.spec.template}', 'base'),
    spec('{.spec.jobTemplate.spec.template}', 'overlays/cronjob'),
  ])
  expect(job).toContain('"hostPID":true')
  expect(cronJob).toBe(job)
  expect(await spec('{.spec.template}', 'overlays/privileged')).toContain('"privileged":true')
})

describe('applied, read and deleted as the README says', () => {
  test('a healthy node and pod: exit code 0, everything answered with the rights of deploy/', async () => {
    const run = await runJob(cluster, nodes[0], SOURCE)
    expectHealthy({ ...run, html: '', seconds: 0 }, 'dual')
    expect(run.report).toMatchObject({ node: 'n1', source: { namespace: 'default' } })
    expectJUnit(run)
  })

  test('with a fault: exit code 1, the fault in the reports', async () => {
    const [fault] = FAULTS
    if (fault === undefined) throw new Error('there is no fault')
    await fault.inject(cluster)
    try {
      const run = await runJob(cluster, nodes[0], SOURCE)
      expect(troubles(run.report), run.output).toEqual(fault.expect.troubles.flatMap(linesOf).sort())
      expect(run.exitCode).toBe(1)
      expect(run.junit).toContain('UNREACHABLE')
      const again = /^SRC_POD=default\/\S+ k8snetlook checks\/pod/
      expect(run.report.findings.map((one) => one.again)).toEqual([expect.stringMatching(again)])
      expectJUnit(run)
    } finally {
      await fault.undo(cluster)
    }
  })

  test('nothing is left', async () => {
    expect(await shell('kubectl get namespace,clusterrole,clusterrolebinding -o name')).not.toContain('k8snetlook')
  })
})

test('Pod Security refuses the pod below the level that the namespace is labelled with', async () => {
  const { spec } = (load(readFileSync(join(DEPLOY, 'base/job.yaml'), 'utf8')) as { spec: { template: object } }).spec
    .template as { spec: object }
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'probe' }, spec }
  const ask = () => cluster.api('/api/v1/namespaces/k8snetlook/pods?dryRun=All', { method: 'POST', body: pod })
  await shell('kubectl apply -f base/namespace.yaml -f base/serviceaccount.yaml')
  try {
    await ask()
    await shell('kubectl label --overwrite namespace k8snetlook pod-security.kubernetes.io/enforce=baseline')
    await expect(ask()).rejects.toThrow(
      /violates PodSecurity "baseline:latest".*non-default capabilities.*host namespaces/,
    )
  } finally {
    await shell('kubectl delete namespace k8snetlook')
  }
})

interface Lack {
  readonly missing: readonly Right[]
  /** 0: nothing but a note comes of it. */
  readonly exitCode: 0 | 2
  /** Of what is inconclusive; default: API_FORBIDDEN. */
  readonly code?: string
  /** Those of `missing` that no report names: without them another way is taken, or only a note is missing. */
  readonly unsaid?: readonly Right[]
}

/** Every right of the role, each taken away once; together where the effects can be told apart. */
const LACKS: readonly Lack[] = [
  // without it no pod of a workload is found
  { missing: ['list pods'], exitCode: 2, code: 'POD_NOT_FOUND' },
  { missing: ['get services'], exitCode: 2 },
  { missing: ['list services'], exitCode: 2 },
  { missing: ['get nodes'], exitCode: 2 },
  { missing: ['list nodes'], exitCode: 2 },
  { missing: ['list endpointslices.discovery.k8s.io'], exitCode: 2 },
  { missing: ['list networkpolicies.networking.k8s.io'], exitCode: 2 },
  { missing: ['get /livez', 'get /readyz'], exitCode: 2 },
  // the pod is found in a list, the cluster's UID and version are evidence, and policies of other kinds are noted as not seen
  {
    missing: ['get pods', 'get namespaces', 'get /version', 'get /apis'],
    exitCode: 0,
    unsaid: ['get pods', 'get /version', 'get /apis'],
  },
]

describe('the account of deploy/ in a cluster that grants nothing to everybody', () => {
  beforeAll(() => withoutDefaults(cluster))

  test.each(LACKS.map((lack) => [lack.missing.join(', '), lack] as const))('without %s', async (name, lack) => {
    const account = `without-${name.toLowerCase().replace(/[^a-z]+/g, '-')}`
    const KUBECONFIG = await accountWithout(cluster, account, lack.missing)
    const run = await runSuite(cluster, { env: { KUBECONFIG, SRC_POD: 'deploy/bbox' } })
    expect(run.report.results.filter(({ verdict }) => verdict === 'fail')).toEqual([])
    expect(run.exitCode, run.output).toBe(lack.exitCode)
    const said = JSON.stringify(run.report)
    for (const right of lack.missing.filter((one) => !lack.unsaid?.includes(one)))
      expect(said).toContain(`may not ${right}`)
    const unclear = run.report.results.filter(({ verdict }) => verdict === 'inconclusive')
    expect([...new Set(unclear.map(({ code }) => code))]).toEqual(
      lack.exitCode === 0 ? [] : [lack.code ?? 'API_FORBIDDEN'],
    )
  })

  test('each right but those to list policies of other kinds was taken away once', () => {
    const taken = LACKS.flatMap(({ missing }) => missing)
    expect(allRights().filter((right) => !taken.includes(right) && !OTHER.test(right))).toEqual([])
  })
})

/** Of groups that the lab's cluster does not serve. */
const OTHER =
  /^list \w+\.(?:cilium\.io|(?:crd\.)?projectcalico\.org|policy\.networking\.k8s\.io|crd\.antrea\.io|k8s\.ovn\.org)$/

test('a node that is cordoned, tainted with NoExecute and NotReady', async () => {
  const [, node] = nodes
  const cni = join(dirname(node.socket), 'cni/10-bed.conflist')
  renameSync(cni, `${cni}.away`)
  try {
    await shell(`kubectl cordon ${node.name}; kubectl taint node ${node.name} maintenance=yes:NoExecute`)
    await shell(`kubectl wait node ${node.name} --for=condition=Ready=false --timeout=60s`)
    const run = await runJob(cluster, node, {})
    expect(troubles(run.report), run.output).toEqual([])
    expect(run).toMatchObject({ exitCode: 0, report: { node: node.name, source: null, state: 'complete' } })
    expectJUnit(run)
  } finally {
    renameSync(`${cni}.away`, cni)
    await shell(`kubectl uncordon ${node.name}; kubectl taint node ${node.name} maintenance-`)
  }
})
