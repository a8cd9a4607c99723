/**
 * The reports in a real browser, which is also the XML parser. Chromium runs in a network namespace without any link,
 * so that nothing can leave this machine; NO_BROWSER=1 leaves these tests out.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { pathsOf, writeReports } from '../../lib/report/files.ts'
import { toHtml } from '../../lib/report/html.ts'
import { toMergedHtml } from '../../lib/report/html-merged.ts'
import { toJUnit } from '../../lib/report/junit.ts'
import { verdictOf } from '../../lib/report/model.ts'
import type { Report } from '../../lib/types.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { byTunnel } from '../unit/merge/nodes.ts'
import { RECORDED, recorded } from '../unit/report/recorded.ts'
import { everything, HOSTILE, paths, report, result } from '../unit/report/sample.ts'
import { clusterReport } from '../unit/report/sample-cluster.ts'

const { NO_BROWSER } = process.env
const CHROMIUM = '/usr/bin/chromium'
const QUIET =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
const dir = mkdtempSync(join(tmpdir(), 'rp-html-'))
let browser: Browser

const normal = report(everything, verdictOf(everything, []))
const measured = report(paths, verdictOf(paths, []))
const hostile = report(
  [
    result('checks/pod/x.test.ts', HOSTILE, {
      verdict: 'fail',
      code: HOSTILE,
      seen: HOSTILE,
      hint: HOSTILE,
      evidence: [
        { kind: 'scalar', name: HOSTILE, value: HOSTILE },
        {
          kind: 'path',
          name: HOSTILE,
          hops: [{ name: HOSTILE, address: HOSTILE, note: HOSTILE, mtu: 1500, stops: true }, { name: HOSTILE }],
          mtu: { promised: 1500, measured: null, signalledBy: HOSTILE },
        },
      ],
    }),
    result('checks/pod/y.test.ts', 'y', { verdict: 'not-applicable', seen: HOSTILE }),
    result('checks/pod/z.test.ts', 'z', { verdict: 'inconclusive', code: 'TIMED_OUT', seen: HOSTILE }),
  ],
  { node: HOSTILE, notes: [HOSTILE], errors: [{ code: HOSTILE, message: HOSTILE, file: HOSTILE }] },
)

const overAllNodes = (nodes: number) =>
  clusterReport({
    ...{ nodes, asks: 8, zones: ['zone-a', 'zone-b', 'zone-c'], told: byTunnel },
    fault: ({ from, to, between, family }) =>
      between === 'pods' && (from === 'n2' || to === 'n2') && (family === 6 || to === 'n2') ? 'UNREACHABLE' : null,
    silent: { n3: { code: 'NODE_TIMED_OUT', reason: 'no end within 300 s', hint: 'NODE_TIMEOUT=600' } },
    environment: (node) => [{ topic: 'mtu', name: 'eth0', value: node === 'n1' ? 1400 : 1500 }],
  })

describe.skipIf(NO_BROWSER === '1')('the reports in Chromium', () => {
  beforeAll(async () => {
    if (!existsSync(CHROMIUM)) {
      throw new Error(`${CHROMIUM} is missing: apt-get install -y chromium (or leave these tests out: NO_BROWSER=1)`)
    }
    ip('netns add rp-browser')
    await enterNamespace(netnsPath('rp-browser'))
    // it lives on with this process, and ends with it
    ip('netns del rp-browser')
    browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET.split(' ') })
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  describe.each([
    ['every verdict', normal],
    ['measured paths', measured],
    ['hostile names', hostile],
  ])('%s', (_, shown) => {
    test('the page loads from its file without scripts, requests or messages', async () => {
      const { page, heard } = await open(shown)
      expect(await page.locator('h1').textContent()).toContain('Failed')
      expect(heard).toEqual([])
      expect(await page.locator('script').count()).toBe(0)
      await page.close()
    })

    test('page and JUnit are well-formed', async () => {
      const page = await browser.newPage()
      for (const text of [toHtml(shown), toJUnit(shown)]) {
        expect(await page.evaluate(xmlError(text))).toBeNull()
      }
      await page.close()
    })

    test.each([320, 390, 1200])('nothing sticks out at %i pixels', async (width) => {
      const { page } = await open(shown, width)
      await page.evaluate(UNFOLD)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      await page.close()
    })

    test.each(['light', 'dark'] as const)('text has contrast in %s', async (scheme) => {
      const { page } = await open(shown, 1200, scheme)
      await page.evaluate(UNFOLD)
      // 4.5 is level AA of WCAG 2.1, success criterion 1.4.3
      expect(await page.evaluate(LOWEST_CONTRAST)).toBeGreaterThan(4.5)
      await page.close()
    })
  })

  describe.each(RECORDED)('a report of a real cluster: %s', (name) => {
    const shown = { ...recorded(name), node: `n1-${name}` }

    test.each([
      ['a screen', 1200, 'light'],
      ['a screen in the dark', 1200, 'dark'],
      ['a phone', 360, 'light'],
    ] as const)(
      '%s shows verdict, cause and picture; nothing is asked for or complained about',
      async (_, width, scheme) => {
        const { page, heard } = await open(shown, width, scheme)
        expect(heard).toEqual([])
        await expect(page.locator('svg.scene:visible').count()).resolves.toBe(1)
        const [heading, picture] = await Promise.all(
          ['h1', 'svg.scene:visible'].map((selector) => page.locator(selector).boundingBox()),
        )
        expect(picture && heading && picture.y > heading.y && picture.x + picture.width <= width).toBe(true)
        // on the first screen at least where it begins
        if (width === 1200) expect(picture?.y).toBeLessThan(700)
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
        expect(await page.evaluate(STICKING_OUT)).toEqual([])
        expect((await page.screenshot()).length).toBeGreaterThan(10_000)
        await page.close()
      },
    )

    test('paper holds the picture, and what was folded', async () => {
      const { page } = await open(shown, 700)
      await page.emulateMedia({ media: 'print' })
      await expect(page.locator('svg.scene.wide').isVisible()).resolves.toBe(true)
      await expect(page.locator('svg.scene.tall').isVisible()).resolves.toBe(false)
      await expect(page.getByText('source pod', { exact: false }).first().isVisible()).resolves.toBe(true)
      await page.close()
    })
  })

  test.each([
    ['every verdict', normal, 'light'],
    ['measured paths', measured, 'dark'],
    ['hostile names', hostile, 'light'],
    ['a sound cluster', recorded('healthy'), 'light'],
    ['a fault', recorded('tunnel-unanswered'), 'dark'],
    ['a run that was ended', recorded('interrupted'), 'light'],
  ] as const)('a screen reader can make sense of %s', async (_, shown, scheme) => {
    expect(await seriousIn(toHtml(shown), scheme)).toEqual([])
  })

  test('a screen reader can make sense of the page of many nodes', async () => {
    const nodes = RECORDED.map((name) => ({ ...recorded(name), node: name }))
    expect(await seriousIn(toMergedHtml(nodes), 'light')).toEqual([])
  })

  describe.each([3, 40, 1000])('the page over all of %i nodes', (nodes) => {
    test.each(['light', 'dark'] as const)(
      'a screen reader can make sense of it, text has contrast: %s',
      async (scheme) => {
        const shown = await overAllNodes(nodes)
        expect(await seriousIn(toHtml(shown), scheme)).toEqual([])
        const { page } = await open(shown, 1200, scheme)
        await page.evaluate(UNFOLD)
        expect(await page.evaluate(LOWEST_CONTRAST)).toBeGreaterThan(4.5)
        await page.close()
      },
    )

    test.each([320, 390, 1200])(
      'nothing sticks out at %i pixels, nothing is asked for or complained about',
      async (width) => {
        const { page, heard } = await open(await overAllNodes(nodes), width)
        await page.evaluate(UNFOLD)
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
        expect(heard).toEqual([])
        expect(await page.locator('h1').textContent()).toContain('Failed')
        await page.close()
      },
    )
  })

  test('axe is a test that can fail', async () => {
    const page = await browser.newPage()
    await page.setContent('<html><body><img src="data:,"><input></body></html>')
    expect(await axe(page)).toContain('image-alt')
    await page.close()
  })

  test('a command of the remedy is marked as a whole by one click', async () => {
    const { page } = await open({ ...recorded('tunnel-unanswered') })
    expect(await page.evaluate("getComputedStyle(document.querySelector('.do + dd code')).userSelect")).toBe('all')
    await page.close()
  })

  test('by keyboard: the first fold opens with Enter', async () => {
    const { page } = await open(recorded('tunnel-unanswered'))
    for (let presses = 0; presses < 5; presses++) {
      await page.keyboard.press('Tab')
      if ((await page.locator('summary:focus').count()) > 0) break
    }
    await page.keyboard.press('Enter')
    await expect(page.locator('details[open]').count()).resolves.toBe(1)
    await page.close()
  })

  test('the verdict and the first cause with its remedy are on the first screen', async () => {
    const { page } = await open(normal)
    for (const text of ['Failed', 'PATH_MTU_BLACK_HOLE', 'Do this']) {
      const box = await page.getByText(text).first().boundingBox()
      expect(box && box.y + box.height).toBeLessThan(800)
    }
    await page.close()
  })

  test('the link of a failed check opens its evidence', async () => {
    const { page } = await open(normal)
    const evidence = page.getByText('largest that arrived')
    expect(await evidence.isVisible()).toBe(false)
    await page.getByRole('link', { name: 'full-size packets over IPv4' }).click()
    expect(await evidence.isVisible()).toBe(true)
    await page.close()
  })

  test('paper shows the folded evidence too', async () => {
    const { page } = await open(normal)
    await page.emulateMedia({ media: 'print' })
    expect(await page.getByText('largest that arrived').isVisible()).toBe(true)
    await page.close()
  })

  test.each([1200, 390])('each path is a picture whose name says all of it, at %i pixels', async (width) => {
    const { page } = await open(measured, width)
    await expect(page.locator('svg.picture').count()).resolves.toBe(paths.length)
    const broken = page.getByRole('img', {
      name: /^promised 1450, measured 1400, signalled by nobody: source .* -> n1 \(192\.0\.2\.11, mtu 1450, larger packets go no further\) -> shop\/web-7c9d5c6b4f-x2x9k-of-a-long-name /,
    })
    expect(await broken.getByText('end here').isVisible()).toBe(true)
    const links = await Promise.all(
      ['source', 'n1', 'end here', 'path MTU 1400'].map((text) =>
        broken.getByText(text, { exact: true }).boundingBox(),
      ),
    )
    const places = links.map((box) => box?.x ?? 0)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    await page.close()
  })

  test.each([
    ['measured paths', measured],
    ['hostile names', hostile],
  ])('the texts of a picture stay inside it, and those of a station inside its box: %s', async (_, shown) => {
    const { page } = await open(shown)
    expect(await page.evaluate(STICKING_OUT)).toEqual([])
    await page.close()
  })

  test('paper holds the whole of a picture', async () => {
    const { page } = await open(measured, 480)
    await page.emulateMedia({ media: 'print' })
    for (const picture of await page.locator('svg:visible').all()) {
      const box = await picture.boundingBox()
      expect(box && box.x + box.width).toBeLessThanOrEqual(480)
    }
    await page.close()
  })

  test('JUnit as an XML parser sees it', async () => {
    const page = await browser.newPage()
    const cases = await page.evaluate<{ verdict?: string; message?: string; text?: string }[]>(
      readCases(toJUnit(hostile)),
    )
    expect(cases.map(({ verdict }) => verdict)).toEqual(['failure', 'skipped', 'error', undefined, 'error'])
    expect(cases[0]?.text).toContain('<script>alert(1)</script> <skipped/>')
    expect(cases[1]?.message).toContain('"quo\'ted"')
    await page.close()
  })
})

/** The page from its file in a window, scripts off, with everything that it asks for or complains about. */
async function open(shown: Report, width = 1200, colorScheme: 'light' | 'dark' = 'light') {
  writeReports(dir, shown)
  const url = `file://${pathsOf(dir, shown.node)[1]}`
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width, height: 800 }, colorScheme })
  const page: Page = await context.newPage()
  const heard: string[] = []
  page.on('console', (message) => heard.push(message.text()))
  page.on('pageerror', (error) => heard.push(error.message))
  page.on('dialog', (dialog) => heard.push(dialog.message()))
  page.on('request', (request) => request.url() === url || request.url() === 'data:,' || heard.push(request.url()))
  await page.goto(url)
  return { page, heard }
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Rules that axe finds broken, serious and critical ones. */
async function axe(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  return page.evaluate<string[]>(`axe.run().then(({ violations }) =>
    violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id }) => id))`)
}

/** Of the page with every fold open. Axe is a script: only here the page may run one, and its own policy lets it run none. */
async function seriousIn(text: string, colorScheme: 'light' | 'dark'): Promise<string[]> {
  const context = await browser.newContext({ bypassCSP: true, colorScheme, viewport: { width: 1200, height: 800 } })
  const page = await context.newPage()
  await page.setContent(text)
  await page.evaluate(UNFOLD)
  const found = await axe(page)
  await context.close()
  return found
}

// What follows is JavaScript for the browser.

const UNFOLD = "document.querySelectorAll('details').forEach((fold) => { fold.open = true })"

/** What the XML parser says about a text: null when it is well-formed. */
const xmlError = (text: string): string =>
  `new DOMParser().parseFromString(${JSON.stringify(text)}, 'application/xml').querySelector('parsererror')?.textContent ?? null`

/** Verdict element, message and text of every case. */
const readCases = (text: string): string => `
  [...new DOMParser().parseFromString(${JSON.stringify(text)}, 'application/xml').querySelectorAll('testcase')].map((item) => {
    const verdict = item.querySelector('failure, error, skipped')
    return { verdict: verdict?.tagName, message: verdict?.getAttribute('message'), text: verdict?.textContent }
  })`

/** Texts of pictures that leave the picture, or begin in a station's box and leave it. */
const STICKING_OUT = `[...document.querySelectorAll('svg')].flatMap((picture) => {
  if (picture.getBoundingClientRect().width === 0) return []
  const around = picture.viewBox.baseVal
  const boxes = [...picture.querySelectorAll('rect:not(.frame)')].map((rect) => rect.getBBox())
  return [...picture.querySelectorAll('text')].filter((text) => {
    const { x, y, width, height } = text.getBBox()
    const holds = (rect) => rect.x < x + width / 2 && x + width / 2 < rect.x + rect.width && rect.y < y + height / 2 && y + height / 2 < rect.y + rect.height
    const box = boxes.findLast(holds) ?? around
    return x < box.x || y < box.y || x + width > box.x + box.width || y + height > box.y + box.height
  }).map((text) => text.textContent)
})`

/** The lowest contrast ratio (WCAG 2.1) of any element that holds text itself. */
const LOWEST_CONTRAST = `(() => {
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = (colour) => {
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)
    const [red, green, blue] = channels(colour).map(linear)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const backOf = (element) => {
    if (!element) return 'rgb(255, 255, 255)'
    const colour = getComputedStyle(element).backgroundColor
    return channels(colour)[3] === 0 ? backOf(element.parentElement) : colour
  }
  const ratios = [...document.querySelectorAll('body *')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
    .map((element) => {
      const [a, b] = [luminance(getComputedStyle(element).color), luminance(backOf(element))]
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    })
  return Math.min(...ratios)
})()`
