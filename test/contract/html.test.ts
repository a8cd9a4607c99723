/** The HTML page as a validator sees it: html-validate, with the standard's rules and its rules for accessibility. */
import { HtmlValidate } from 'html-validate/node'
import { expect, test } from 'vitest'
import { toHtml } from '../../lib/report/html.ts'
import { toMergedHtml } from '../../lib/report/html-merged.ts'
import { byTunnel } from '../unit/merge/nodes.ts'
import { RECORDED, recorded } from '../unit/report/recorded.ts'
import { everything, explained, findings, HOSTILE, paths, report, result } from '../unit/report/sample.ts'
import { clusterReport } from '../unit/report/sample-cluster.ts'

const validator = new HtmlValidate({
  root: true,
  extends: ['html-validate:standard', 'html-validate:a11y', 'html-validate:document'],
  // what the markup builder writes is well-formed XML too
  rules: { 'void-style': ['error', { style: 'selfclosing' }] },
})

const troubles = (text: string) =>
  validator
    .validateStringSync(text)
    .results.flatMap(({ messages }) => messages.map(({ ruleId, message, line }) => `${line}: ${ruleId}: ${message}`))

const hostile = result('checks/pod/service-cluster-ip.test.ts', HOSTILE, {
  ...{ verdict: 'fail', family: 4, code: HOSTILE, seen: HOSTILE, hint: HOSTILE },
  targets: [{ role: HOSTILE, name: HOSTILE, address: HOSTILE, family: 4 }],
})

test.each([
  ...RECORDED.map((name) => [name, recorded(name)] as const),
  ['every verdict', report([...everything, ...paths])] as const,
  ['causes', report(explained, { findings, verdict: 'fail' })] as const,
  ['hostile names', report([hostile], { node: HOSTILE, notes: [HOSTILE] })] as const,
  ['nothing asked', report([])] as const,
])('%s: valid', (_, given) => {
  expect(troubles(toHtml(given)).slice(0, 5)).toEqual([])
})

test.each([3, 40, 101])('the page over all of %i nodes: valid', async (nodes) => {
  const given = await clusterReport({
    ...{ nodes, asks: 8, zones: ['a', 'b'], told: byTunnel },
    fault: ({ from, to, between }) => (between === 'pods' && (from === 'n2' || to === 'n2') ? 'UNREACHABLE' : null),
    silent: { n3: { code: 'NODE_TIMED_OUT', reason: HOSTILE, hint: HOSTILE } },
    environment: (node) => [{ topic: 'mtu', name: 'eth0', value: node === 'n1' ? 1400 : 1500 }],
  })
  expect(troubles(toHtml(given)).slice(0, 5)).toEqual([])
})

test('the page of many nodes: valid', () => {
  const nodes = RECORDED.map((name) => ({ ...recorded(name), node: name }))
  expect(troubles(toMergedHtml([...nodes, report([hostile], { node: HOSTILE })])).slice(0, 5)).toEqual([])
})

test('the validator finds what is wrong', () => {
  const text = toHtml(report(everything)).replace('<main>', '<main><p><div id="check-1"></div></p>')
  expect(troubles(text).join('\n')).toMatch(/no-dup-id|close-order|element-permitted/)
})
