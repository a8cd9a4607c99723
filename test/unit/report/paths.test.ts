import { describe, expect, test } from 'vitest'
import { evidenceLines, evidenceValue } from '../../../lib/report/evidence.ts'
import { toJson } from '../../../lib/report/json.ts'
import { pathPicture } from '../../../lib/report/path-picture.ts'
import { pathRows } from '../../../lib/report/paths.ts'
import type { Hop, PathMtuFigures } from '../../../lib/types.ts'
import { everything, HOSTILE, paths, report, result } from './sample.ts'

const pathOf = (mtu: Partial<PathMtuFigures>, hops: readonly Hop[] = [{ name: 'source' }, { name: 'target' }]) => ({
  kind: 'path' as const,
  name: 'path',
  hops,
  mtu: { promised: 1500, measured: 1500, signalledBy: null, ...mtu },
})

describe('the rows', () => {
  test('one a path and family, in the order of the results, and no other evidence', () => {
    const rows = pathRows([...everything, ...paths])
    expect(rows.map(({ result: _, path: __, ...shown }) => Object.values(shown).join(' | '))).toEqual([
      'the node | the external address | IPv4 | 1500 | unknown |  | inconclusive',
      'the pod | a pod on another node | IPv4 | 1450 | 1400 | nobody | fail',
      'the pod | a pod on another node | IPv6 | 1450 | 1280 | 2001:db8:1234:5678:9abc:def0:1234:5678 | warn',
      'the pod | a pod on the same node | IPv4 | 1450 | 1450 |  | pass',
    ])
  })

  test('a question in other words is the path by itself, and a family that is only in the name counts', () => {
    const lost = { ...result('checks/pod/x.test.ts', 'x', { verdict: 'pass', evidence: [pathOf({})] }) }
    expect(pathRows([{ ...lost, name: 'large packets arrive over IPv6, from the pod' }])).toMatchObject([
      { to: 'large packets arrive', family: 'IPv6' },
    ])
    expect(pathRows([lost])).toMatchObject([{ to: 'x', family: '-' }])
  })

  test('the way back begins where the other one ends', () => {
    const back = result('checks/pod/x.test.ts', 'full-size packets come back from a pod on the same node', {
      verdict: 'pass',
      evidence: [pathOf({})],
    })
    expect(pathRows([back])).toMatchObject([{ from: 'a pod on the same node', to: 'the pod' }])
  })

  test('of several paths in one check each tells its name', () => {
    const evidence = ['to n2', 'to n3'].map((name) => ({ ...pathOf({}), name }))
    const rows = pathRows([
      result('checks/pod/x.test.ts', 'full-size packets reach nodes', { verdict: 'pass', evidence }),
    ])
    expect(rows.map(({ to }) => to)).toEqual(['nodes, to n2', 'nodes, to n3'])
  })

  test('"nobody" is said only where somebody should have signalled', () => {
    const signallers = [
      pathOf({}),
      pathOf({ measured: 1400 }),
      pathOf({ measured: null }),
      pathOf({ measured: null }, [{ name: 'source', stops: true }, { name: 'target' }]),
      pathOf({ measured: 1400, signalledBy: '192.0.2.1' }),
    ].map(
      (path) => pathRows([result('checks/pod/x.test.ts', 'x', { verdict: 'pass', evidence: [path] })])[0]?.signalledBy,
    )
    expect(signallers).toEqual([null, 'nobody', null, 'nobody', '192.0.2.1'])
  })
})

describe('in words', () => {
  test('figures, then stations, then where packets end', () => {
    const hops = [
      { name: 'source', mtu: 1500, note: 'promised' },
      { name: 'n1', stops: true },
      { name: 'target', mtu: 1400 },
    ]
    expect(evidenceValue(pathOf({ measured: 1400 }, hops))).toBe(
      'promised 1500, measured 1400, signalled by nobody: source (mtu 1500, promised) -> n1 (larger packets go no further) -> target (mtu 1400)',
    )
    expect(evidenceLines([pathOf({})], 9)).toEqual(['path: promised 1500, measured 1500: source -> target'])
  })

  test('JSON holds the numbers', () => {
    expect(JSON.parse(toJson(report(paths))).results[1].evidence[0]).toMatchObject({
      mtu: { promised: 1450, measured: 1400, signalledBy: null },
      hops: [{ mtu: 1450 }, { mtu: 1450, stops: true }, { mtu: 1400 }],
    })
  })
})

describe('the picture', () => {
  const draw = (hops: readonly Hop[], mtu: Partial<PathMtuFigures> = {}) => pathPicture(pathOf(mtu, hops)).markup
  /** Texts from left to right, with the place of their middle. */
  const texts = (markup: string) =>
    [...markup.matchAll(/<text x="([\d.]+)"[^>]*>([^<]*)</g)]
      .map(([, x, text]) => [Number(x), text] as const)
      .sort(([a], [b]) => a - b)
      .map(([, text]) => text)

  test('stations from left to right, each MTU on the link that it is of, the whole at the end', () => {
    const markup = draw(
      [
        { name: 'source', mtu: 1500 },
        { name: 'router', address: '192.0.2.1', mtu: 1400 },
        { name: 'target', mtu: 1400 },
      ],
      { measured: 1400 },
    )
    expect(texts(markup)).toEqual(['source', 'MTU 1500', 'router', '192.0.2.1', 'MTU 1400', 'target', 'path MTU 1400'])
    expect(markup.match(/<rect /g)).toHaveLength(3)
    expect(markup).not.toContain('end here')
    expect(markup.match(/class="low">[^<]*/g)).toEqual(['class="low">MTU 1400', 'class="low">path MTU 1400'])
  })

  test('a break stands on its link, as a cross and in words', () => {
    const markup = draw([{ name: 'source', mtu: 1500 }, { name: 'router', stops: true }, { name: 'target' }])
    expect(texts(markup)).toEqual(['source', 'MTU 1500', 'router', 'MTU ?', 'larger packets', 'end here', 'target'])
    expect(markup.match(/class="stop"/g)).toHaveLength(1)
    expect(markup.match(/class="beyond"/g)).toHaveLength(1)
  })

  test('the title says it all, an address that is the name is drawn once, long names lose their middle', () => {
    const name = `shop/web-${'x'.repeat(60)}-end`
    const markup = draw([
      { name: '192.0.2.7', address: '192.0.2.7' },
      { name, note: 'a note' },
    ])
    expect(texts(markup)).toEqual(['192.0.2.7', 'MTU ?', 'shop/web-xxxxx\u2026xxxxxxxxx-end', 'a note'])
    expect(markup).toContain(
      `<title>promised 1500, measured 1500: 192.0.2.7 (192.0.2.7) -&gt; ${name} (a note)</title>`,
    )
  })

  test('foreign text stays text, and a path without stations does no harm', () => {
    const markup = draw([{ name: HOSTILE, address: `${HOSTILE}.`, note: HOSTILE, stops: true }, { name: HOSTILE }])
    expect(markup.match(/<(?!\/?(?:svg|title|rect|text|path)\b)/g)).toBeNull()
    expect(draw([])).toMatch(/^<svg [^>]*><title>promised 1500, measured 1500: <\/title><\/svg>$/)
  })
})
