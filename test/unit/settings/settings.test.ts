import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { closest, editDistance, nearMiss } from '../../../lib/settings/similar.ts'
import {
  EVERY_NODE_SETTINGS,
  parseSettings,
  publicSettings,
  readSettings,
  SETTINGS,
  type Setting,
} from '../../../lib/settings.ts'

const problemsOf = (env: Record<string, string>) => parseSettings(env).problems.map(({ variable }) => variable)
const problemOf = (env: Record<string, string>) => parseSettings(env).problems[0]?.problem

describe('defaults', () => {
  test('nothing set: no problem, nothing named, the documented defaults', () => {
    const { settings, problems, hints } = parseSettings({})
    expect(problems).toEqual([])
    expect(hints).toEqual([])
    expect(settings).toMatchObject({
      sourcePod: null,
      probes: 5,
      strict: false,
      trace: false,
      reportsDir: 'reports',
      kubeconfig: null,
    })
    expect(settings.external).toEqual({ ipv4: null, ipv6: null })
  })

  test('an empty or blank value counts as not set', () => {
    const empty = Object.fromEntries(SETTINGS.map(({ name }) => [name, '  ']))
    expect(parseSettings(empty).settings).toEqual(parseSettings({}).settings)
    expect(parseSettings({ PROBES: '' }).problems).toEqual([])
  })
})

describe('pods', () => {
  const source = (text: string) => parseSettings({ SRC_POD: text }).settings.sourcePod
  test.each([
    ['bbox', { kind: 'pod', namespace: null, name: 'bbox' }],
    ['bbox-', { kind: 'pod', namespace: null, name: 'bbox-' }],
    ['shop/cart-0', { kind: 'pod', namespace: 'shop', name: 'cart-0' }],
    ['pod/cart-0', { kind: 'pod', namespace: null, name: 'cart-0' }],
    ['shop/pod/cart-0', { kind: 'pod', namespace: 'shop', name: 'cart-0' }],
    ['deploy/cart', { kind: 'workload', namespace: null, workload: 'Deployment', name: 'cart' }],
    ['shop/ds/agent', { kind: 'workload', namespace: 'shop', workload: 'DaemonSet', name: 'agent' }],
    ['cronjob/backup', { kind: 'workload', namespace: null, workload: 'CronJob', name: 'backup' }],
    ['app=x', { kind: 'selector', selector: 'app=x' }],
    [
      'app.kubernetes.io/name=x,tier in (a, b),!old',
      { kind: 'selector', selector: 'app.kubernetes.io/name=x,tier in (a, b),!old' },
    ],
  ])('SRC_POD=%s', (text, expected) => {
    expect(source(text)).toEqual(expected)
  })

  test.each(['Bbox', 'a/b/c/d', 'statefulset/db/0', 'shop/', '/x', 'app=a b', '=x', 'x y', '_'])(
    'SRC_POD=%s is refused',
    (text) => {
      expect(problemsOf({ SRC_POD: text })).toEqual(['SRC_POD'])
      expect(source(text)).toBeNull()
    },
  )

  test('a destination may be an address or none; a source may not', () => {
    const destination = (text: string) => parseSettings({ DST_POD: text }).settings.destinationPod
    expect(destination('192.0.2.7')).toEqual({ kind: 'address', address: '192.0.2.7' })
    expect(destination('2001:DB8::7')).toEqual({ kind: 'address', address: '2001:db8::7' })
    expect(destination('none')).toEqual({ kind: 'none' })
    expect(destination('127.0.0.1')).toBeNull()
    expect(source('2001:db8::7')).toBeNull()
    expect(problemOf({ SRC_POD: '198.18.1.2' })).toContain('an address cannot name the pod')
  })

  test('a namespace given twice and differently is a problem', () => {
    expect(problemsOf({ SRC_POD: 'a/x', SRC_NAMESPACE: 'b' })).toEqual(['SRC_POD'])
    expect(problemsOf({ SRC_POD: 'a/x', SRC_NAMESPACE: 'a' })).toEqual([])
    expect(problemsOf({ DST_SVC: 'a/x', DST_SVC_NAMESPACE: 'b' })).toEqual(['DST_SVC'])
  })
})

test.each([
  ['web', { kind: 'service', namespace: null, name: 'web' }],
  ['shop/web', { kind: 'service', namespace: 'shop', name: 'web' }],
  ['svc/web', { kind: 'service', namespace: null, name: 'web' }],
  ['shop/svc/web', { kind: 'service', namespace: 'shop', name: 'web' }],
  ['none', { kind: 'none' }],
  ['web.shop.svc', null],
  ['a/b/c', null],
])('DST_SVC=%s', (text, expected) => {
  expect(parseSettings({ DST_SVC: text }).settings.destinationService).toEqual(expected)
})

describe('EXTERNAL_NAME', () => {
  const name = (text: string) => parseSettings({ EXTERNAL_NAME: text }).settings.externalName

  test.each([
    ['www.example.org', 'www.example.org'],
    ['WWW.Example.org.', 'www.example.org'],
    ['none', null],
  ])('%s', (text, expected) => {
    expect(name(text)).toBe(expected)
    expect(parseSettings({ EXTERNAL_NAME: text }).problems).toEqual([])
  })

  test.each(['localhost', '203.0.113.9', 'https://www.example.org', 'a..b', '-x.example', '2001:db8::1'])(
    '%s is no host name with a domain',
    (text) => {
      expect(parseSettings({ EXTERNAL_NAME: text }).problems).toMatchObject([{ variable: 'EXTERNAL_NAME' }])
    },
  )
})

describe('EXTERNAL_IP', () => {
  const external = (text: string) => parseSettings({ EXTERNAL_IP: text }).settings.external
  test('one address per family', () => {
    expect(external('192.0.2.1')).toEqual({ ipv4: '192.0.2.1', ipv6: null })
    expect(external(' 2001:db8::1 , 192.0.2.1')).toEqual({ ipv4: '192.0.2.1', ipv6: '2001:db8::1' })
    expect(external('none')).toEqual({ ipv4: null, ipv6: null })
  })
  test('a host name is refused with a sentence that says why', () => {
    const problem = parseSettings({ EXTERNAL_IP: 'www.example.org' }).problems[0]
    expect(problem).toMatchObject({ variable: 'EXTERNAL_IP', value: 'www.example.org' })
    expect(`${problem?.problem} ${problem?.next}`).toContain('resolve it first')
  })
  test.each([
    '192.0.2.1,192.0.2.2',
    '192.0.2.1:53',
    '192.0.2',
    '10',
    '0.0.0.0',
    'fe80::1',
    'fe80::1%eth0',
    '::1',
    '::ffff:192.0.2.1',
  ])('%s is refused', (text) => {
    expect(problemsOf({ EXTERNAL_IP: text })).toEqual(['EXTERNAL_IP'])
  })
})

test('all problems are reported together, each with what to do', () => {
  const { problems } = parseSettings({
    SRC_POD: 'X',
    PROBES: '0',
    STRICT: 'maybe',
    NODE_NETNS: 'n1',
    CONTAINER_RUNTIME_ENDPOINT: 'tcp://192.0.2.1:1',
    NODE_NAME: 'N_1',
    SRC_NAMESPACE: 'kube system',
  })
  expect(problems.map(({ variable }) => variable).sort()).toEqual(
    ['CONTAINER_RUNTIME_ENDPOINT', 'NODE_NAME', 'NODE_NETNS', 'PROBES', 'SRC_NAMESPACE', 'SRC_POD', 'STRICT'].sort(),
  )
  for (const { problem, next } of problems)
    expect([problem, next]).toEqual([expect.any(String), expect.stringMatching(/\.$/)])
})

test('numbers, switches, sockets', () => {
  expect(
    parseSettings({ PROBES: '100', STRICT: 'Yes', TRACE: '1', CONTAINER_RUNTIME_ENDPOINT: '/run/x.sock' }).settings,
  ).toMatchObject({
    probes: 100,
    strict: true,
    trace: true,
    runtimeEndpoint: 'unix:///run/x.sock',
  })
  for (const text of ['101', '-1', '1.5', '1e2', 'five']) expect(problemOf({ PROBES: text })).toContain('1 to 100')
  expect(parseSettings({ KUBECONFIG: '/a::/b' }).settings.kubeconfig).toEqual(['/a', '/b'])
})

describe('the gate', () => {
  test('baselines are separated by commas', () => {
    const { settings, problems } = parseSettings({
      BASELINE: 'a.json, before/ ,',
      GATE: 'regressions',
      KNOWN_ISSUES: 'k.yaml',
    })
    expect(problems).toEqual([])
    expect(settings).toMatchObject({ baseline: ['a.json', 'before/'], gateRegressions: true, knownIssues: 'k.yaml' })
  })

  test('a gate that is none, and one without a baseline', () => {
    expect(problemOf({ GATE: 'all', BASELINE: 'a.json' })).toBe('this is no gate')
    expect(problemOf({ GATE: 'regressions' })).toMatch(/BASELINE is not set/)
    expect(problemOf({ GATE: 'regressions', BASELINE: ' , ' })).toMatch(/BASELINE is not set/)
  })

  test('waivers need no baseline, and a baseline no gate', () => {
    expect(problemsOf({ KNOWN_ISSUES: 'k.yaml' })).toEqual([])
    expect(problemsOf({ BASELINE: 'a.json' })).toEqual([])
  })

  test('a word that is near to a short name is none of ours', () => {
    expect(parseSettings({ DATE: '2030-01-01', GAME: 'x' }).hints).toEqual([])
    expect(parseSettings({ BASELINES: 'x', KNOWN_ISSUE: 'y' }).hints.map(({ meant }) => meant)).toEqual([
      'BASELINE',
      'KNOWN_ISSUES',
    ])
  })
})

describe('near misses', () => {
  test.each([
    ['SRCPOD', 'SRC_POD'],
    ['SRC_PODS', 'SRC_POD'],
    ['src_pod', 'SRC_POD'],
    ['SOURCE_POD', 'SRC_POD'],
    ['EXTERNALIP', 'EXTERNAL_IP'],
    ['EXTERNAL_IPS', 'EXTERNAL_IP'],
    ['DST_SERVICE', 'DST_SVC'],
    ['DESTINATION_POD', 'DST_POD'],
    ['DST_NS', 'DST_NAMESPACE'],
    ['KUBE_CONFIG', 'KUBECONFIG'],
    ['REPORT_DIR', 'REPORTS_DIR'],
    ['PROBE', 'PROBES'],
  ])('%s means %s', (name, meant) => {
    expect(parseSettings({ [name]: 'x' }).hints).toEqual([
      { variable: name, meant, text: expect.stringContaining(meant) },
    ])
  })
  test.each([
    'NODE_ENV',
    'NODE_OPTIONS',
    'NODE_PATH',
    'HOSTNAME',
    'HOST_IP',
    'KUBERNETES_SERVICE_HOST',
    'KUBERNETES_PORT',
    'POD_NAME',
    'POD_NAMESPACE',
    'POD_IP',
    'KUBECTL_CONTEXT',
    'SRC_DIR',
    'DST_SVC_SERVICE_HOST',
    'DST_SVC_PORT',
    'DST_SVC_PORT_80_TCP',
    'CONTAINER_ID',
    'STRICT_SSL',
    'PATH',
    'HOME',
    'NAMESPACE',
    'EXTERNAL_URL',
    'SRC_PORT',
    'npm_config_strict',
    'RUNTIME_ENDPOINT',
    'IMAGE_SERVICE_ENDPOINT',
  ])('%s is somebody else’s', (name) => {
    expect(parseSettings({ [name]: 'x' }).hints).toEqual([])
  })
  test('a name of ours is never a near miss, whatever else is', () => {
    const ours = SETTINGS.map(({ name }) => name)
    for (const name of ours) expect(nearMiss(name, ours)).toBeNull()
    fc.assert(fc.property(fc.string(), (name) => nearMiss(name, ours) === null || !(ours as string[]).includes(name)))
  })
})

test('no text whatever makes parsing throw, and every problem names a variable that was set', () => {
  const env = fc.record(Object.fromEntries(SETTINGS.map(({ name }) => [name, fc.string({ maxLength: 30 })])))
  fc.assert(
    fc.property(env, (values) => {
      for (const { variable } of parseSettings(values).problems) expect(values[variable]?.trim()).not.toBe('')
    }),
  )
})

test('the report shows what was set and nothing else', () => {
  const { settings } = parseSettings({ SRC_POD: 'bbox', HOME: '/root', SECRET: 'x', STRICT: '' })
  expect(publicSettings(settings)).toEqual([{ name: 'SRC_POD', value: 'bbox' }])
})

describe('.env in the working directory', () => {
  const home = process.cwd()
  const dir = mkdtempSync(join(tmpdir(), 'settings-'))
  afterEach(() => {
    process.chdir(home)
    vi.unstubAllEnvs()
    rmSync(join(dir, '.env'), { recursive: true, force: true })
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  test('is read; what the environment sets wins, also when it sets nothing', () => {
    writeFileSync(join(dir, '.env'), 'SRC_POD=from-file\nPROBES=7\nSTRICT=1\n')
    process.chdir(dir)
    vi.stubEnv('SRC_POD', undefined)
    vi.stubEnv('PROBES', '9')
    vi.stubEnv('STRICT', '')
    const { settings, problems } = readSettings()
    expect(problems).toEqual([])
    expect(settings).toMatchObject({ sourcePod: { name: 'from-file' }, probes: 9, strict: false })
  })
  test('missing: no problem; there but unreadable: a problem', () => {
    process.chdir(dir)
    expect(readSettings().problems).toEqual([])
    mkdirSync(join(dir, '.env'))
    expect(readSettings().problems).toMatchObject([{ variable: '.env', problem: expect.stringContaining('EISDIR') }])
  })
})

/** Run with -u to write the file anew after a change of the table. */
test('.env.example is the table', async () => {
  await expect(envExample()).toMatchFileSnapshot('../../../.env.example')
})

function envExample(): string {
  const head =
    '# Settings of k8snetlook. Copy to .env, or set them in the environment (which wins). Nothing here is required.\n'
  const blockOf = ({ name, meaning, default: otherwise, example, flag }: Setting) =>
    `\n# ${meaning}\n# Default: ${otherwise}.${flag ? ` k8snetlook (Go): ${flag}` : ''}\n#${name}=${example}\n`
  const everyNode = '\n# Of a run over all nodes (checks/cluster) only.\n'
  return [head, ...SETTINGS.map(blockOf), everyNode, ...EVERY_NODE_SETTINGS.map(blockOf)].join('')
}

describe('closest names', () => {
  const pods = ['bbox-7c6b5c99c8-pxh6k', 'web-64957f6c7b-8hdc4', 'coredns-596b689849-jbd9x']
  test.each([
    ['bbx', 'bbox-7c6b5c99c8-pxh6k'],
    ['bxob', 'bbox-7c6b5c99c8-pxh6k'],
    ['webb', 'web-64957f6c7b-8hdc4'],
    ['core-dns', 'coredns-596b689849-jbd9x'],
    ['dns', 'coredns-596b689849-jbd9x'],
    ['web-64957f6c7b-8hdc5', 'web-64957f6c7b-8hdc4'],
  ])('%s: %s', (wanted, expected) => {
    expect(closest(wanted, pods)[0]).toBe(expected)
  })
  test('nothing in common: none', () => {
    expect(closest('prometheus', pods)).toEqual([])
    expect(closest('zz', pods)).toEqual([])
  })
  test('the distance is a metric on what is typed: symmetric, zero for equals, a swap is one step', () => {
    expect(editDistance('pod', 'pdo')).toBe(1)
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
      }),
    )
  })
})
