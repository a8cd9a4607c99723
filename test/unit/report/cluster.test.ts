/** A report over all nodes in every form. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { toHtml } from '../../../lib/report/html.ts'
import { toJson } from '../../../lib/report/json.ts'
import { toJUnit } from '../../../lib/report/junit.ts'
import { toMarkdown } from '../../../lib/report/markdown.ts'
import { toMetrics } from '../../../lib/report/metrics.ts'
import { pseudonymsOfCluster, redacted } from '../../../lib/report/redact.ts'
import { summary } from '../../../lib/report/terminal.ts'
import type { ClusterPart, NodeRun, Report } from '../../../lib/types.ts'
import { byTunnel, type Fault, ownTrouble } from '../merge/nodes.ts'
import { HOSTILE, report, result } from './sample.ts'
import { clusterReport } from './sample-cluster.ts'
import { violations } from './schema.ts'

const lost: Fault = ({ from, to, between }) =>
  between === 'pods' && (from === 'n2' || to === 'n2') ? 'UNREACHABLE' : null
const silent = { n5: { code: 'IMAGE_NOT_PULLED', reason: 'ImagePullBackOff', hint: 'Name another.' } }
const sick = await clusterReport({ nodes: 6, zones: ['a', 'b'], fault: lost, told: byTunnel, silent })
const healthy = await clusterReport({ nodes: 6 })

const casesOf = (xml: string) =>
  [...xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"/g)].map(([, of, name]) => `${of} ${name}`)
const rootOf = (xml: string) =>
  Object.fromEntries(
    [...(/<testsuites ([^>]*)>/.exec(xml)?.[1]?.matchAll(/(\w+)="([^"]*)"/g) ?? [])].map(([, name, value]) => [
      name,
      value,
    ]),
  )
const caseNamed = (xml: string, name: string) =>
  new RegExp(`<testcase classname="${name}"[^>]*?(?:/>|>[\\s\\S]*?</testcase>)`).exec(xml)?.[0] ?? ''

describe('JUnit', () => {
  const xml = toJUnit(sick)

  test('the questions over all nodes come first, then the suites of each node, names unique', () => {
    const suites = [...xml.matchAll(/<testsuite hostname="([^"]*)" name="([^"]*)"/g)].map(
      ([, host, name]) => `${host} ${name}`,
    )
    expect(suites.slice(0, 5)).toEqual([
      ...['cluster k8snetlook.cluster', 'cluster run', 'n1 k8snetlook.n1.node', 'n1 k8snetlook.n1.pod'],
      'n1 k8snetlook.n1.run',
    ])
    expect(new Set(suites).size).toBe(suites.length)
    const cases = casesOf(xml)
    expect(new Set(cases).size).toBe(cases.length)
    expect(cases).toContain(
      'k8snetlook.cluster.pod-pairs pods of pairs of nodes reach each other over IPv4, over all nodes',
    )
  })

  test('the root counts what is in it', () => {
    const count = (tag: string) => xml.split(new RegExp(`<${tag}[ >]`)).length - 1
    expect(rootOf(xml)).toMatchObject({
      ...{ name: 'k8snetlook', tests: `${casesOf(xml).length}` },
      ...{ failures: `${count('failure')}`, errors: `${count('error')}` },
    })
    expect(xml.match(/<\/?testsuites/g)).toHaveLength(2)
  })

  test('a node that gave no report is an error with its reason', () => {
    expect(caseNamed(xml, 'k8snetlook.n5.run')).toMatch(/<error message="ImagePullBackOff" type="IMAGE_NOT_PULLED">/)
  })

  test('a failure names the cause that it follows from', () => {
    expect(caseNamed(xml, 'k8snetlook.cluster.pod-pairs')).toContain('message="follows from NODE_CUT_OFF: ')
  })

  test('of very many nodes what is green is one case of each', async () => {
    const text = toJUnit(await clusterReport({ nodes: 101, asks: 4, fault: lost }))
    expect(caseNamed(text, 'k8snetlook.n50.run')).toContain('the other checks of this node are green')
    expect(text).toContain('<property name="checks without a case" value="80 passed, 18 not applicable"/>')
    expect(text.length).toBeLessThan(1_000_000)
  })

  test.each([
    ['evidence is left out', 300, 40, /name="what question 39 asks/],
    ['failures of a node are one case', 700, 60, /name="the checks of this node pass"[\s\S]*?60 do not: UNREACHABLE/],
  ])('a file that dashboards would not read gets smaller: %s', { timeout: 60_000 }, (_, nodes, failing, still) => {
    const rows = Array.from({ length: 20 }, (_one, index) => [`endpoint ${index}`, 'x'.repeat(120)])
    const bad = Array.from({ length: failing }, (_one, index) =>
      result(`checks/pod/check-${index}.test.ts`, `what question ${index} asks is as it should be`, {
        ...{ verdict: 'fail', code: 'UNREACHABLE', seen: 'no answer' },
        evidence: [{ kind: 'table', name: 'endpoints', columns: ['name', 'said'], rows }],
      }),
    )
    const about = { zone: null, source: null, problem: null }
    const runs = Array.from(
      { length: nodes },
      (_one, index): NodeRun => ({ ...about, node: `n${index}`, report: report(bad, { node: `n${index}` }) }),
    )
    const part: ClusterPart = { nodes: runs, pairs: [], differences: [] }
    const text = toJUnit({ ...healthy, cluster: part })
    expect(text.length).toBeLessThan(26_000_000)
    expect(text).toMatch(still)
  })
})

describe('terminal, Markdown and metrics', () => {
  test('the terminal ends with the causes, and who answered', () => {
    const lines = summary(sick, ['reports/report-cluster.html'], false)
    expect(lines).toMatch(
      /What could not be looked at: 1 check[\s\S]*Why: 1 cause[\s\S]*asked: {3}5 of 6 nodes answered\n/,
    )
    expect(lines).toMatch(/\nFAIL, exit code 1: [^\n]*$/)
    expect(lines).not.toContain('node cluster')
  })

  test('Markdown names the nodes by their number', () => {
    expect(toMarkdown(sick)).toMatch(/^# FAIL: the network of 6 nodes\n\n.* 5 of 6 nodes answered\.\n/)
  })

  test('metrics count nodes and pairs, and name none', () => {
    const text = toMetrics(sick)
    expect(text).toContain('k8snetlook_nodes{node="cluster",verdict="inconclusive"} 1')
    expect(text).toContain('k8snetlook_node_pairs{node="cluster",between="pods",family="IPv4",state="unreached"} 9')
    expect(text).not.toMatch(/n[1-6]"/)
  })
})

describe('HTML', () => {
  test('who reaches whom, each node, and the verdict', () => {
    const page = toHtml(sick)
    expect(page).toContain('<title>FAIL 6 nodes - k8snetlook</title>')
    expect(page).toContain('Node n2 exchanges no VXLAN (UDP 8472) with anyone')
    expect(page.match(/<td class="fail">\u2717<\/td>/g)).toHaveLength(9)
    expect(page).toMatch(/n5<p class="seen">IMAGE_NOT_PULLED: ImagePullBackOff/)
  })

  test('all is well: no card, every cell green', () => {
    const page = toHtml(healthy)
    expect(page).not.toContain('<article')
    expect(page).toContain('</span> Sound</h1>')
    expect(page.match(/<td class="pass">/g)).toHaveLength(2 * 30)
  })

  test.each([3, 40, 60, 61, 250])(
    '%i nodes with long names and trouble everywhere stay under 300 kB',
    { timeout: 30_000 },
    async (nodes) => {
      const some = await clusterReport({
        ...{ nodes, asks: 12, zones: ['a', 'b', 'c'], told: byTunnel },
        fault: ({ from, to }) => ((from.length + to.charCodeAt(1)) % 3 === 0 ? 'UNREACHABLE' : null),
        own: (node) => ownTrouble('node', 'FORWARDING_OFF', `On node ${node} nothing is forwarded.`),
      })
      const long = JSON.parse(
        JSON.stringify(some).replace(/"(n\d+)"/g, '"ip-10-0-0-$1.eu-central-1.compute.internal"'),
      ) as Report
      expect(Buffer.byteLength(toHtml(long))).toBeLessThan(300_000)
    },
  )

  test('hostile names stay text', () => {
    const quoted = JSON.stringify(HOSTILE)
    const text = JSON.stringify(sick)
      .replace(/"n2"/g, () => quoted)
      .replaceAll('Node n2 ', () => `Node ${quoted.slice(1, -1)} `)
    const hostile = JSON.parse(text) as Report
    for (const shown of [toHtml(hostile), toMarkdown(hostile)])
      expect(shown).not.toMatch(/<script|<skipped|\u202e|[^\P{Cc}\n]/u)
  })
})

test('REDACT: no name and no address is left in any form, and nothing else is lost', () => {
  const part = sick.cluster as ClusterPart
  const known = pseudonymsOfCluster({
    ...{ runId: 'key', strict: false, clusterUid: sick.clusterUid, apiHost: 'api.example.org' },
    ...{ cluster: { state: 'known', value: part }, leftovers: [], notes: [], settings: [] },
  })
  const hidden = redacted(sick, known)
  expect(hidden.node).toBe('cluster')
  const forms = [toHtml, toJson, toJUnit, toMarkdown, toMetrics].map((render) => render(hidden))
  for (const text of [...forms, summary(hidden, [], false)]) {
    expect(text).not.toMatch(/\bn[1-6]\b|web-n|\bshop\b|198\.1[89]\.|2001:db8/)
  }
  expect(violations(JSON.parse(toJson(hidden)))).toEqual([])
  expect(hidden.cluster?.pairs.map(({ reached, code }) => [reached, code])).toEqual(
    part.pairs.map(({ reached, code }) => [reached, code]),
  )
  expect(hidden.cluster?.nodes[1]?.node).toBe(known.of('node', 'n2'))
  expect(hidden.findings[0]?.cause).toContain(known.of('node', 'n2'))
})

test('a thousand nodes with a hundred checks each come together in 10 s and 400 MB', { timeout: 120_000 }, () => {
  const bench = fileURLToPath(new URL('../../../bench/cluster-merge.ts', import.meta.url))
  const args = ['--max-old-space-size=300', '--import', 'tsx', bench, '1000']
  const { cpuSeconds, maxRssMB, cases, sizes, findings } = JSON.parse(
    execFileSync(process.execPath, args, { encoding: 'utf8' }),
  )
  expect(cases).toBeGreaterThan(95_000)
  // of the processor: others may want it too
  expect(cpuSeconds).toBeLessThan(10)
  expect(maxRssMB).toBeLessThan(400)
  expect(sizes.html).toBeLessThan(300_000)
  expect(sizes.junit).toBeLessThan(30_000_000)
  expect(findings).toEqual(['ZONES_CUT', 'NODE_CUT_OFF', 'FORWARDING_OFF'])
})
