import { describe, expect, test } from 'vitest'
import { toMarkdown } from '../../../lib/report/markdown.ts'
import { everything, explained, findings, HOSTILE, paths, report, result } from './sample.ts'

const text = toMarkdown(report([...explained, ...paths], { findings }))

describe('a failing run', () => {
  test('says the verdict first, then the causes in order, each with what to do and how to ask again', () => {
    const order = [
      '# FAIL: the network of node n1, asked from pod shop/bbox-6d4 too\n\n3 checks failed: ',
      '### 1. FAIL `TUNNEL_UNANSWERED` (proven)\n\nTunnel packets from node n1',
      '**Do:** Open UDP 8472 between n1 and n3: `nft list ruleset` on both.',
      '- every ready endpoint of the destination service answers TCP over IPv4, from the pod',
      '```sh\nSRC_POD=shop/bbox-6d4 npx vitest run checks/pod/endpoints-tcp.test.ts\n```',
      '### 2. FAIL `PATH_MTU_BLACK_HOLE` (likely)',
      '## Warnings',
      '## What could not be looked at',
      '| the pod to a pod on another node | IPv4 | 1450 | 1400 | nobody | FAIL |',
      'exit code 1, run run-7f3a',
    ]
    const places = order.map((part) => text.indexOf(part))
    expect(places).not.toContain(-1)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  })

  test('what a cause explains is not told again', () => {
    expect(text).not.toContain('1 of 3 endpoints does not answer')
  })
})

test('a healthy run is a few lines', () => {
  const sound = toMarkdown(report([everything[7]].flatMap((one) => one ?? [])))
  expect(sound.split('\n').length).toBeLessThan(8)
  expect(sound).toMatch(/^# PASS: the network of node n1/)
})

test('an unfinished run says so', () => {
  const cut = toMarkdown(report([], { state: 'incomplete', finished: null }))
  expect(cut).toMatch(/^# INCONCLUSIVE/)
  expect(cut).toContain('RUN_INTERRUPTED')
  expect(cut).toContain('not ended in order')
})

test('foreign text stays text: no markup, no HTML, no link, no mention, no reference', () => {
  const foreign = `${HOSTILE} **b** [l](http://x.example) ![i](x) ~~s~~ _e_ @team #12 www.x.example | <!-- -->\n# h\n\`\`\`\n${'x'.repeat(253)}`
  const hostile = result('checks/pod/x.test.ts', foreign, {
    verdict: 'fail',
    code: 'UNREACHABLE',
    seen: foreign,
    hint: foreign,
  })
  const cause = {
    ...(findings[0] as (typeof findings)[number]),
    cause: foreign,
    remedy: foreign,
    again: foreign,
    hides: foreign,
    explains: [hostile.id],
  }
  const shown = toMarkdown(
    report([hostile, { ...hostile, id: 'y', findings: [cause.id] }], {
      node: foreign,
      findings: [cause],
      errors: [{ code: 'CHECK_CRASHED', message: foreign, file: foreign }],
    }),
  )
  const outsideCode = shown.replace(/```sh\n[^\n]*\n```/g, '').replace(/(?<!\\)`[^`\n]*`/g, '')
  expect(outsideCode).not.toMatch(/<(?!\/?$)|@team|#12|(?<!\\)\*\*b|(?<!\\)\[l|(?<!\\)~~|(?<!\\)_e|https?:\/\/|www\.x/)
  expect(shown.match(/^# /gm)).toHaveLength(1)
  expect(shown).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
})

test.each([
  ['# a heading', '\\# a heading'],
  ['- a list', '\\- a list'],
  ['1. a list', '1\\. a list'],
  ['2) a list', '2\\) a list'],
  ['---', '\\---'],
  ['===', '\\==='],
  ['198.51.100.1 refuses', '198.51.100.1 refuses'],
])('a sentence that begins like a block of Markdown is a sentence: %s', (cause, shown) => {
  const finding = { ...(findings[0] as (typeof findings)[number]), cause }
  expect(toMarkdown(report(explained, { findings: [finding] }))).toContain(`\n\n${shown}\n\n`)
})
