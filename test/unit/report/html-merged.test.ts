import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { toMergedHtml } from '../../../lib/report/html-merged.ts'
import { toJson } from '../../../lib/report/json.ts'
import { main } from '../../../lib/report/merge.ts'
import type { Report } from '../../../lib/types.ts'
import { recorded } from './recorded.ts'
import { everything, explained, findings, HOSTILE, report } from './sample.ts'

const named = (node: string, given: Report): Report => ({ ...given, node })
const cellsOf = (page: string, question: string): string[] => {
  const row = page.split('<tr>').find((text) => text.includes(`<th scope="row">${question}`)) ?? ''
  return [...row.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].map(([, text]) => text ?? '')
}

test('the worst node makes the heading; each node has its verdict and its first cause', () => {
  const page = toMergedHtml([named('n1', recorded('healthy')), named('n2', recorded('tunnel-unanswered'))])
  expect(page).toContain('</span> 1 of 2 nodes failed</h1>')
  expect(page).toMatch(/<th scope="row">n1<p class="seen">Every question that applies was answered well\.<\/p>/)
  expect(page).toMatch(/<a href="#node-2">n2<\/a><p class="seen">Packets from node n1 to node n2 on UDP 8472/)
  expect(page).toMatch(/<h2 id="node-2">n2<\/h2><article class="card fail"><h3><span class="code">TUNNEL_UNANSWERED/)
})

test('what all nodes answer alike is told once, what differs by node, and by family where these differ', () => {
  const page = toMergedHtml([named('n1', recorded('healthy')), named('n2', recorded('tunnel-unanswered'))])
  expect(cellsOf(page, 'the kubelet is well')).toEqual(['✓ pass'])
  expect(cellsOf(page, 'a pod on another node answers ping')).toEqual(['✓ pass', '✗ fail'])
  const mixed = toMergedHtml([report(everything), report(everything, { node: 'n2', results: everything.slice(0, 1) })])
  expect(cellsOf(mixed, 'the path to a pod on another node')).toEqual(['IPv4 ✗ fail, IPv6 ✓ pass', '✗ fail'])
  expect(cellsOf(mixed, 'every ready endpoint of the destination service')).toEqual(['✗ fail', 'not asked'])
})

test('two reports of one node are told apart', () => {
  expect(toMergedHtml([report([]), report([])])).toContain('>n1 (2)</th>')
})

test('a run that was ended is not sound', () => {
  const page = toMergedHtml([named('n1', recorded('healthy')), named('n2', recorded('interrupted'))])
  expect(page).toContain('</span> 1 of 2 nodes inconclusive</h1>')
  expect(page).toContain('RUN_INTERRUPTED')
})

test.each([
  ['ten nodes with all checks', 10],
  ['forty nodes with all checks, a fault on most', 40],
])('%s stay under 300 kB', { timeout: 30_000 }, (_, n) => {
  const faults = ['tunnel-unanswered', 'firewall-drops', 'answer-lost', 'healthy'] as const
  const nodes = Array.from({ length: n }, (_, index) =>
    named(`worker-${index}.example.org`, recorded(faults[index % 4] ?? 'healthy')),
  )
  const page = toMergedHtml(nodes)
  expect(Buffer.byteLength(page)).toBeLessThan(300_000)
  expect(page.match(/<h2 id="node-/g)?.length).toBe(nodes.filter(({ verdict }) => verdict !== 'pass').length)
})

test('hostile text stays text', () => {
  const page = toMergedHtml([
    report(explained, {
      node: HOSTILE,
      findings: findings.map((one) => ({ ...one, code: HOSTILE, cause: HOSTILE, remedy: HOSTILE })),
    }),
  ])
  expect(page).not.toMatch(/<script|<skipped|\u202e|[^\P{Cc}\n]/u)
})

test('the command writes the page where the name of the file says so', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rp-merged-'))
  const write = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
  const input = join(dir, 'report-n1.json')
  writeFileSync(input, toJson(report(everything)))
  expect(main(['--output', join(dir, 'nodes.html'), input])).toBe(0)
  expect(readFileSync(join(dir, 'nodes.html'), 'utf8')).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\n$/)
  write.mockRestore()
  rmSync(dir, { recursive: true, force: true })
})
