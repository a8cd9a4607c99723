import { describe, expect, test } from 'vitest'
import { toHtml } from '../../../lib/report/html.ts'
import { html } from '../../../lib/report/markup.ts'
import type { Result } from '../../../lib/types.ts'
import { RECORDED, recorded } from './recorded.ts'
import { everything, explained, findings, HOSTILE, paths, report, result } from './sample.ts'

const page = toHtml(report(everything))
const at = (text: string, from = page) => from.indexOf(text)

test('what is put into markup is escaped, unless it is markup', () => {
  expect(html`<p title="${'"\'<&>'}">${[html`<b>${1}</b>`, null, false, undefined, 'x']}</p>`.markup).toBe(
    '<p title="&quot;&#39;&lt;&amp;&gt;"><b>1</b>x</p>',
  )
})

describe('a run with every verdict', () => {
  test('verdict, then causes with what to do, then the table, then what could not be looked at', () => {
    const order = [
      '<h1>',
      'PATH_MTU_BLACK_HOLE',
      'Do this',
      '<h2>All checks',
      '<h2>What could not be looked at',
      '<h2>Settings',
    ]
    const places = order.map((text) => at(text))
    expect(places.every((place) => place > 0)).toBe(true)
    expect(places).toEqual([...places].sort((a, b) => a - b))
  })

  test('each verdict is told by a word beside its sign', () => {
    for (const word of ['fail', 'warning', 'inconclusive', 'pass', 'n/a'])
      expect(page).toMatch(new RegExp(`</span> ${word}</span>`))
  })

  test('nothing is loaded, linked or run from elsewhere', () => {
    expect(page).not.toMatch(/<script|<img|<iframe|\son\w+=|@import|url\(/i)
    expect([...page.matchAll(/(?:href|src|content)="([^"#][^"]*:[^"]*)"/g)].map(([, link]) => link)).toEqual([
      expect.stringContaining("default-src 'none'"),
      'data:,',
    ])
  })

  test('every link leads to a place on the page', () => {
    const ids = new Set([...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
    const links = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id)
    expect(links.length).toBeGreaterThan(3)
    expect(links.filter((id) => !ids.has(id))).toEqual([])
    expect(ids.size).toBe(everything.length)
  })

  test('evidence of every kind, notes, settings and the way to the pod are there', () => {
    for (const text of [
      'largest that arrived',
      'avg 0.347',
      'n2 (silent)',
      '198.51.100.11',
      'Ready behind service',
      'SRC_POD',
      'CRI containerd',
    ]) {
      expect(page).toContain(text)
    }
  })
})

describe('the first screen', () => {
  const order = (text: string, parts: readonly string[]) => {
    const places = parts.map((part) => at(part, text))
    expect(places.filter((place) => place < 0)).toEqual([])
    expect(places).toEqual([...places].sort((a, b) => a - b))
  }

  test('the verdict, the root cause with its remedy, the picture, the other causes, the table', () => {
    order(toHtml(report(explained, { findings, verdict: 'fail' })), [
      '</span> Failed</h1>',
      'The first of 2 causes, and what to do',
      '<strong>Tunnel packets from node n1',
      '<code>nft list ruleset</code>',
      '<h2>The path over IPv4',
      '<h2>More causes, and what to do',
      '1400 bytes arrive at shop/web-7c9-x',
      '<h2>All checks',
    ])
  })

  test('without a cause the first problem that makes the verdict; a sound run shows its path at once', () => {
    order(toHtml(report(everything)), [
      '</span> Failed',
      '<h2>What is wrong',
      '<h2>The path over',
      '<h2>What else is wrong',
    ])
    const sound = toHtml(recorded('healthy'))
    order(sound, ['</span> Sound', '<h2>The path over IPv4 and IPv6', '<h2>All checks'])
    expect(at('what to do', sound)).toBe(-1)
  })

  test('what is asked of nobody makes no picture', () => {
    expect(toHtml(report([result('checks/host/kubelet.test.ts', 'x', { verdict: 'pass' })]))).not.toContain('<svg')
  })
})

test.each(RECORDED)('the page of a real run stays small: %s', (name) => {
  expect(Buffer.byteLength(toHtml(recorded(name)))).toBeLessThan(200_000)
})

test('an incomplete run says so at the top, and is not called sound', () => {
  const text = toHtml(report(everything.slice(1, 2), { state: 'incomplete', finished: null }))
  expect(at('Incomplete:', text)).toBeGreaterThan(0)
  expect(at('Incomplete:', text)).toBeLessThan(at('<h2>All checks', text))
  expect(text).toContain('</span> Inconclusive</h1>')
})

test('a run that broke tells at what, before the table', () => {
  const text = toHtml(
    report([], { errors: [{ code: 'SETUP_FAILED', message: 'the run ended before its checks did' }] }),
  )
  expect(at('the run ended before its checks did', text)).toBeLessThan(at('<h2>All checks', text))
  expect(text).toContain('No check has answered.')
})

test('a check that was lost stands in the column of its family', () => {
  const lost = {
    ...result('checks/pod/x.test.ts', 'x', { verdict: 'inconclusive', code: 'WORKER_DIED' }),
    name: 'x over IPv6, from the pod',
  }
  expect(toHtml(report([lost]))).toMatch(
    /<td data-label="IPv4"><\/td><td data-label="IPv6"><span class="badge inconclusive">/,
  )
})

describe('measured paths', () => {
  const text = toHtml(report([...everything, ...paths]))

  test('are rows of figures, each with its picture and a link to the evidence', () => {
    expect(at('<h2>Path MTU', text)).toBeGreaterThan(at('<h2>All checks', text))
    expect(text.match(/<svg class="picture"/g)).toHaveLength(paths.length)
    expect(text).toMatch(
      /<a href="#check-\d+">from the pod to a pod on another node<\/a><\/th><td[^>]*>IPv4<\/td><td[^>]*>1450<\/td><td[^>]*>1400<\/td><td[^>]*>nobody<\/td><td><span class="badge fail">/,
    )
    const evidence = text.slice(0, at('<h2>Path MTU', text))
    expect(evidence).toContain('path: promised 1450, measured 1400, signalled by nobody</p>')
    expect(evidence).toContain('<li>n1 (192.0.2.11, mtu 1450, larger packets go no further)</li>')
  })

  test('are no section when there are none', () => {
    expect(page).not.toMatch(/Path MTU<|<svg class="picture"/)
  })

  test('are drawn only as far as the page stays small; the figures are there for all', () => {
    const many = toHtml(report(Array.from({ length: 40 }, () => paths).flat()))
    expect(Buffer.byteLength(many)).toBeLessThan(300_000)
    expect(many.match(/<svg class="picture"/g)).toHaveLength(60)
    expect(many.match(/data-label="Measured"/g)).toHaveLength(40 * paths.length)
  })
})

test('hostile text stays text', () => {
  const hostile = result('checks/pod/x.test.ts', HOSTILE, {
    verdict: 'fail',
    code: HOSTILE,
    seen: HOSTILE,
    hint: HOSTILE,
    evidence: [
      { kind: 'scalar', name: HOSTILE, value: HOSTILE },
      { kind: 'table', name: HOSTILE, columns: [HOSTILE], rows: [[HOSTILE]] },
      { kind: 'path', name: HOSTILE, hops: [{ name: HOSTILE, note: HOSTILE }] },
      {
        kind: 'path',
        name: HOSTILE,
        hops: [{ name: HOSTILE, address: HOSTILE, note: HOSTILE, stops: true }, { name: HOSTILE }],
        mtu: { promised: 1500, measured: 1400, signalledBy: HOSTILE },
      },
    ],
    targets: [{ role: HOSTILE, name: HOSTILE, address: HOSTILE, family: 4 }],
  })
  const text = toHtml(
    report([hostile], {
      node: HOSTILE,
      notes: [HOSTILE],
      settings: [{ name: HOSTILE, value: HOSTILE }],
      errors: [{ code: HOSTILE, message: HOSTILE, file: HOSTILE }],
      source: { namespace: HOSTILE, name: HOSTILE, foundBy: HOSTILE },
    }),
  )
  expect(text).not.toMatch(/<script|<skipped|<testsuite|\u202e|[^\P{Cc}\n]/u)
  expect(text).not.toContain('abc.def-123456789012345')
})

describe('size', () => {
  const table = (name: string, length: number) => ({
    kind: 'table' as const,
    name,
    columns: ['pod', 'address', 'answered'],
    rows: Array.from({ length }, (_, index) => [
      `shop/web-7c9d5c6b4f-${index}`,
      `198.18.${index >> 8}.${index & 255}`,
      true,
    ]),
  })

  test('a table of 5,000 rows is cut, saying how much', () => {
    const text = toHtml(
      report([result('checks/pod/x.test.ts', 'x', { verdict: 'fail', evidence: [table('endpoints', 5000)] })]),
    )
    expect(text).toContain('endpoints: 200 of 5000 rows, 4800 omitted')
    expect(text).toContain('web-7c9d5c6b4f-199<')
    expect(text).not.toContain('web-7c9d5c6b4f-200<')
  })

  test('rows that the check itself left out are counted too', () => {
    const evidence = [{ ...table('endpoints', 10), omitted: 90 }]
    expect(toHtml(report([result('checks/pod/x.test.ts', 'x', { verdict: 'fail', evidence })]))).toContain(
      '10 of 100 rows, 90 omitted',
    )
  })

  test('the page stays under 300 kB with sixty such tables', { timeout: 30_000 }, () => {
    const results: Result[] = Array.from({ length: 60 }, (_, index) =>
      result(`checks/pod/c${index}.test.ts`, `question ${index}`, {
        verdict: 'fail',
        code: 'UNREACHABLE',
        evidence: [table('endpoints', 5000)],
      }),
    )
    const text = toHtml(report(results))
    expect(Buffer.byteLength(text)).toBeLessThan(300_000)
    expect(text).toMatch(/of 5000 rows, \d+ omitted/)
  })
})
