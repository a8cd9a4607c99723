import { describe, expect, test } from 'vitest'
import { toHtml } from '../../../lib/report/html.ts'
import { toJson } from '../../../lib/report/json.ts'
import { toJUnit } from '../../../lib/report/junit.ts'
import { toMarkdown } from '../../../lib/report/markdown.ts'
import { toMetrics } from '../../../lib/report/metrics.ts'
import { Pseudonyms, pseudonymsOf, redacted } from '../../../lib/report/redact.ts'
import { summary } from '../../../lib/report/terminal.ts'
import { known, plan, source } from '../question/sample-plan.ts'
import { everything, explained, findings, paths, pings, report } from './sample.ts'
import { violations } from './schema.ts'

const names = new Pseudonyms('0f9d3a52-7c1e-4a57-9a52-1c9b6f1d2e10')
names.learn('node', 'n1')
names.learn('node', 'ip-10-0-0-1.ec2.internal')
names.learn('host', 'api.prod.example.com')
names.learnPod('shop/web-0')
names.learn('ns', 'kube-system')

describe('text', () => {
  test.each([
    ['pod shop/web-0 on n1.', /^pod ns-\w{8}\/pod-\w{8} on node-\w{8}\.$/],
    ['web.shop.svc.cluster.local. over UDP', /^web\.ns-\w{8}\.svc\.cluster\.local\. over UDP$/],
    ['https://api.prod.example.com:6443 refuses', /^https:\/\/host-\w{8}:6443 refuses$/],
    ['ip-10-0-0-1.ec2.internal, n1', /^node-\w{8}, node-\w{8}$/],
    ['kube-system/kube-proxy-n1', /^kube-system\/kube-proxy-node-\w{8}$/],
    [
      'candidates: prod/api-6d4f8-x2x9k and kube-system/coredns-858749d878-qffqw',
      /^candidates: ns-\w{8}\/pod-\w{8} and kube-system\/pod-\w{8}$/,
    ],
    ['198.51.100.7:53, 198.51.100.0/24', /^ip4-\w{8}:53, ip4-\w{8}\/24$/],
    ['[2001:db8::7]:53 and 2001:DB8:0::7.', /^\[(ip6-\w{8})\]:53 and \1\.$/],
    ['at ee:ee:ee:ee:ee:ee', /^at mac-\w{8}$/],
    ['fe80::1', /^ip6-\w{8}$/],
  ])('%s', (text, shown) => {
    expect(names.text(text)).toMatch(shown)
  })

  test.each([
    'checks run from the pod over IPv4, 1400 bytes arrive',
    '169.254.1.1, 127.0.0.1, ::1, 0.0.0.0 and ff02::1',
    'containerd 1.6.20~ds1 at /run/containerd/containerd.sock',
    '2026-03-04 03:07:21, deploy/checkout, default/kubernetes',
  ])('what tells nothing stays: %s', (text) => {
    expect(names.text(text)).toBe(text)
  })

  test('one name has one pseudonym, of another cluster another one', () => {
    expect(names.text('n1')).toBe(names.of('node', 'n1'))
    expect(new Pseudonyms('another').of('node', 'n1')).not.toBe(names.of('node', 'n1'))
    expect(names.of('pod', 'n1')).not.toBe(names.of('node', 'n1'))
  })
})

test('a whole report: no name and no address is left in any file or in the terminal, and nothing else is lost', () => {
  const pod = { ...source, namespace: 'shop', name: 'bbox-6d4' }
  const learned = pseudonymsOf(plan({ source: known(pod), node: { ...plan().node, name: 'n1' } }), 'key')
  const whole = report([...explained, ...paths, ...pings], { findings })
  for (const { targets, answers = [] } of whole.results) {
    learned.learnTargets([...targets, ...answers.map(({ target }) => target)])
  }
  for (const other of ['n2', 'n3']) learned.learn('node', other)
  for (const other of ['web-7c9-x', 'web-7c9-y', 'web-7c9-z']) learned.learn('pod', other)
  const hidden = redacted(whole, learned)
  const shown = {
    junit: toJUnit(hidden),
    html: toHtml(hidden),
    json: toJson(hidden),
    markdown: toMarkdown(hidden),
    metrics: toMetrics(hidden),
    terminal: summary(hidden, [], false),
  }
  const secret = /\b(?:bbox-6d4|web-7c9-[xyz]|n[123]|198\.51\.100\.\d+|192\.0\.2\.\d+|203\.0\.113\.7|2001:db8:)/
  for (const [name, text] of Object.entries(shown)) expect(`${name} ${secret.exec(text)?.[0] ?? ''}`).toBe(`${name} `)
  expect(violations(JSON.parse(shown.json))).toEqual([])
  expect(hidden.results.map(({ id, verdict }) => [id, verdict])).toEqual(
    whole.results.map(({ id, verdict }) => [id, verdict]),
  )
  // one thing is one pseudonym everywhere
  const peer = learned.of('node', 'n3')
  expect(shown.markdown).toContain(`from node ${learned.of('node', 'n1')} to node ${peer}`)
  expect(shown.json).toContain(peer)
})

test('what a user named that does not exist is hidden in the sentences about it', () => {
  const settings = [
    { name: 'SRC_POD', value: 'payroll/ledger' },
    { name: 'DST_POD', value: 'deploy/checkout' },
    { name: 'NODE_NAME', value: 'rack-7' },
  ]
  const learned = pseudonymsOf(plan({ settings }), 'key')
  expect(learned.text('no pod ledger in payroll on rack-7')).toMatch(/^no pod pod-\w{8} in ns-\w{8} on node-\w{8}$/)
})

test('an unknown cluster still has pseudonyms', () => {
  const whole = report(everything, { clusterUid: null })
  expect(redacted(whole, new Pseudonyms('run')).node).toMatch(/^node-/)
})
