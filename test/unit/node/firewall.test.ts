import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { parseIptablesSave, readSaved } from '../../../lib/node/firewall/iptables.ts'
import { decodeNft, deviceless, parseNft, readRules, withDevices } from '../../../lib/node/firewall/nft.ts'
import { readFirewall } from '../../../lib/node/firewall/read.ts'
import { valueText } from '../../../lib/node/firewall/text.ts'
import type { FirewallState } from '../../../lib/state.ts'
import { recorded, recordedLegacy, recordedText } from '../diagnose/firewall-recorded.ts'

const rulesOf = (state: FirewallState, name: string) => state.chains.find((chain) => chain.name === name)?.rules ?? []
const chainOf = (state: FirewallState, name: string) => state.chains.find((chain) => chain.name === name)

describe('chains at a device', () => {
  const base = { family: 'netdev', table: 'edge', type: 'filter', hook: 'ingress', prio: 0, policy: 'accept' }
  const decoded = (...chains: object[]) =>
    decodeNft(JSON.stringify({ nftables: chains.map((chain) => ({ chain })) })) as NonNullable<
      ReturnType<typeof decodeNft>
    >
  const devicesOf = (of: ReturnType<typeof decoded>) =>
    readRules(of, new Map()).chains.map(({ base: hooked }) => hooked?.devices)

  // what nft 1.0.6 prints of a chain, as JSON and as text
  const old = decoded({ ...base, name: 'one' }, { ...base, name: 'two' }, { ...base, name: 'three' })
  const text = `table netdev edge {
\tchain one {
\t\ttype filter hook ingress device "eth0" priority filter; policy accept;
\t}
\tchain two {
\t\ttype filter hook ingress devices = { eth0, eth1 } priority filter; policy accept;
\t}
}
`

  it('nft before 1.0.8 tells their devices only as text', () => {
    expect(deviceless(old)).toBe(true)
    expect(devicesOf(withDevices(old, text))).toEqual([['eth0'], ['eth0', 'eth1'], null])
  })

  it('later ones in the JSON itself', () => {
    const now = decoded({ ...base, name: 'one', dev: 'eth5' }, { ...base, name: 'two', dev: ['eth6', 'eth7'] })
    expect(deviceless(now)).toBe(false)
    expect(devicesOf(withDevices(now, text))).toEqual([['eth5'], ['eth6', 'eth7']])
  })

  it('other hooks have none', () => {
    expect(deviceless(decoded({ ...base, family: 'inet', hook: 'forward', name: 'one' }))).toBe(false)
  })
})

describe('nft', () => {
  it('base chains say hook, priority and policy, others none', () => {
    const state = recorded('firewalld')
    expect(chainOf(state, 'filter_INPUT')).toMatchObject({
      ...{ backend: 'nft', family: 'inet', table: 'firewalld' },
      base: { hook: 'input', type: 'filter', priority: 10, policy: 'accept', devices: null },
    })
    expect(chainOf(state, 'filter_IN_public')).toMatchObject({ base: null })
  })

  it('rules are in nft’s words, and have their handles', () => {
    const texts = recorded('expressions').chains.flatMap(({ rules }) => rules.map(({ text }) => text))
    expect(texts).toMatchSnapshot()
    expect(rulesOf(recorded('kube-proxy-nftables'), 'cluster-ips-check')).toMatchObject(
      [
        { text: expect.stringMatching(/^ip daddr @cluster-ips reject( with .*)? comment "Reject/), handle: 40 },
        { text: 'ip daddr 198.19.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"', handle: 41 },
        ...[{ handle: 40 }, { handle: 41 }],
      ].slice(0, 2),
    )
  })

  it('sets and maps have their elements, whatever kind of element they are', () => {
    expect(recorded('expressions').sets).toMatchObject({
      'inet t s': { elements: ['192.0.2.0/24', '198.51.100.1-198.51.100.9', '203.0.113.1'], verdicts: null },
      'inet t tm': { elements: ['192.0.2.1'], conditional: false },
      'inet t c': { elements: ['192.0.2.0/24 . 1-1023', '203.0.113.1 . 80'] },
      'inet t vm': {
        elements: ['1-100', '200', '300'],
        verdicts: [{ kind: 'accept' }, { kind: 'drop' }, { kind: 'jump', chain: 'x' }],
      },
      'inet t dm': { elements: ['203.0.113.1'], verdicts: null },
      'inet t d': { elements: [] },
    })
  })

  it.each(['d', 'dormant', ['dormant']])('a dormant table (%j) is not called', (flags) => {
    const place = { family: 'ip', table: 't' }
    const chain = { ...place, name: 'c', hook: 'input', type: 'filter', prio: 0, policy: 'drop' }
    const bases = (table: object) => parseNft(JSON.stringify({ nftables: [{ table }, { chain }] }))?.chains[0]?.base
    expect(bases({ family: 'ip', name: 't', flags })).toBeNull()
    expect(bases({ family: 'ip', name: 't', flags: 'owner' })).not.toBeNull()
  })

  it('what nft cannot say in JSON is an unknown condition', () => {
    const place = { family: 'ip', table: 't' }
    const rule = { ...place, chain: 'c', expr: ['strange 1', { drop: null }] }
    const state = parseNft(JSON.stringify({ nftables: [{ chain: { ...place, name: 'c' } }, { rule }] }))
    expect(state?.chains[0]?.rules[0]).toMatchObject({
      ...{ text: 'strange 1 drop' },
      steps: [{ kind: 'unknown', text: expect.stringContaining('strange 1') }, { kind: 'verdict' }],
    })
  })

  it('an element that limits a rate makes its set conditional', () => {
    const elem = [{ elem: { val: '192.0.2.1', limit: { rate: 1, per: 'second' } } }]
    const set = { family: 'ip', table: 't', name: 's', elem }
    expect(parseNft(JSON.stringify({ nftables: [{ set }] }))?.sets).toMatchObject({ 'ip t s': { conditional: true } })
  })

  it('a change of the mark is reckoned from nested expressions', () => {
    const mark = { meta: { key: 'mark' } }
    const value = { '^': [{ '|': [{ '&': [mark, 0xffffff0f] }, 0x10] }, 0x3] }
    const rule = { family: 'ip', table: 't', chain: 'c', expr: [{ mangle: { key: mark, value } }] }
    const nftables = [{ chain: { family: 'ip', table: 't', name: 'c' } }, { rule }]
    const state = parseNft(JSON.stringify({ nftables }))
    expect(state?.chains[0]?.rules[0]?.steps).toEqual([{ kind: 'mark', change: { and: 0xffffff0f, xor: 0x13 } }])
  })

  it('what is no rule set is none', () => {
    for (const text of ['', 'x', '[]', '{}', '{"nftables": 1}']) expect(parseNft(text)).toBeNull()
    fc.assert(fc.property(fc.json(), (text) => void parseNft(`{"nftables": [${text}]}`)))
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.constantFrom('match', 'vmap', 'dnat', 'xt', 'reject', 'mangle'), fc.jsonValue())),
        (expr) => {
          const nftables = [
            { chain: { family: 'ip', table: 't', name: 'c' } },
            { rule: { family: 'ip', table: 't', chain: 'c', expr } },
          ]
          parseNft(JSON.stringify({ nftables }))
        },
      ),
    )
  })

  it('every value has a text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(typeof valueText(value)).toBe('string')
      }),
    )
  })

  it('20 MB are read in a second', { timeout: 60_000 }, () => {
    const chain = { family: 'ip', table: 'nat', name: 'c' }
    const left = { payload: { protocol: 'ip', field: 'daddr' } }
    const rule = (i: number) => ({
      ...{ family: 'ip', table: 'nat', chain: 'c', handle: i },
      expr: [
        { match: { op: '==', left, right: `198.18.${(i >> 8) & 255}.${i & 255}` } },
        { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 80 } },
        { counter: { packets: 0, bytes: 0 } },
        { jump: { target: 'KUBE-SVC-CDGGSHYLG3RE2FKL' } },
      ],
    })
    const nftables = [{ chain }, ...Array.from({ length: 62_000 }, (_, i) => ({ rule: rule(i) }))]
    const text = JSON.stringify({ nftables })
    expect(text.length).toBeGreaterThan(20_000_000)
    // Half a second on a quiet machine. Of this process alone: other tests may run beside it, and slow it down.
    const start = process.cpuUsage()
    expect(parseNft(text)?.chains[0]?.rules).toHaveLength(62_000)
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000)
  })
})

describe('tables of iptables-nft', () => {
  it('are told apart from those of nft', () => {
    const backends = new Set(recorded('kube-proxy-iptables').chains.map(({ backend, table }) => `${table} ${backend}`))
    expect(backends).toContain('nat iptables-nft')
    expect(backends).toContain('bed nft')
  })

  it('take what nft cannot say from the saved text, and keep handles and counters', () => {
    const [first] = rulesOf(recorded('modules', ['filter']), 'INPUT')
    expect(first).toMatchObject({
      text: '-p tcp -m multiport --dports 22,80:90 -m state --state NEW -j REJECT --reject-with tcp-reset',
      handle: 8,
      packets: 0,
      steps: [
        { kind: 'match', fields: ['meta l4proto'] },
        { kind: 'match', fields: ['th dport'], values: { elements: ['22', '80-90'] } },
        { kind: 'match', fields: ['xt ctstate'], op: 'any', values: { elements: ['new'] } },
        { kind: 'verdict', verdict: { kind: 'reject', with: 'tcp-reset' } },
      ],
    })
  })

  it('without it have unknown conditions, and the verdict that the target’s name tells', () => {
    const [first] = rulesOf(recorded('modules'), 'INPUT')
    expect(first?.steps.map(({ kind }) => kind)).toEqual(['match', 'unknown', 'unknown', 'verdict'])
    expect(first?.steps.at(-1)).toEqual({ kind: 'verdict', verdict: { kind: 'reject', with: '' } })
  })

  it('a condition that an old iptables-save does not print stays unknown', () => {
    const saved = readSaved('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n', 'ip').get('filter')
    const place = { family: 'ip', table: 'filter' }
    const chain = { ...place, name: 'INPUT', hook: 'input', prio: 0, type: 'filter', policy: 'accept' }
    const expr = [{ xt: { type: 'match', name: 'mark' } }, { drop: null }]
    const nftables = [{ chain }, { rule: { ...place, chain: 'INPUT', handle: 1, expr } }]
    const state = parseNft(JSON.stringify({ nftables }), new Map(saved ? [['ip filter', saved]] : []))
    expect(state?.chains[0]?.rules[0]?.steps.map(({ kind }) => kind)).toEqual(['unknown', 'verdict'])
  })

  it('a text with other rules than nft’s is not used', () => {
    const saved = readSaved('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n', 'ip').get('filter')
    const state = parseNft(recordedText('modules.json'), new Map(saved ? [['ip filter', saved]] : []))
    expect(state && rulesOf(state, 'INPUT')[0]?.steps.some(({ kind }) => kind === 'unknown')).toBe(true)
  })
})

describe('iptables-save', () => {
  const only = (rule: string, family: 'ip' | 'ip6' = 'ip') => {
    const [chain] = parseIptablesSave(`*filter\n:INPUT DROP [7:9]\n${rule}\nCOMMIT\n`, family)
    return chain?.rules[0]?.steps ?? []
  }
  const match = (field: string, ...elements: string[]) => ({
    kind: 'match',
    fields: [field],
    op: '==',
    values: { elements },
  })

  it.each([
    ['-s 192.0.2.0/24', match('ip saddr', '192.0.2.0/24')],
    ['! -d 192.0.2.1/32', { ...match('ip daddr', '192.0.2.1/32'), op: '!=' }],
    ['-i veth+', match('meta iifname', 'veth*')],
    ['! -o eth0', { ...match('meta oifname', 'eth0'), op: '!=' }],
    ['-p udp', match('meta l4proto', 'udp')],
    ['-m udp --sport 53', match('th sport', '53')],
    ['-m tcp --dport 1024:', match('th dport', '1024-65535')],
    ['-m tcp ! --dport :80', { ...match('th dport', '0-80'), op: '!=' }],
    ['-m multiport --dports 22,80:90', match('th dport', '22', '80-90')],
    ['-m multiport --sports 1', match('th sport', '1')],
    ['-m mark --mark 0x1/0xff', { ...match('meta mark', '1'), mask: 255 }],
    ['-m mark ! --mark 0x1', { ...match('meta mark', '1'), op: '!=', mask: null }],
    ['-m conntrack --ctstate NEW,DNAT', { ...match('xt ctstate', 'new', 'dnat'), op: 'any' }],
    ['-m conntrack ! --ctstate INVALID', { ...match('xt ctstate', 'invalid'), op: 'none' }],
    ['-m addrtype --dst-type LOCAL', match('fib daddr type', 'local')],
    ['-m addrtype ! --src-type LOCAL', { ...match('fib saddr type', 'local'), op: '!=' }],
    ['-m icmp --icmp-type 8', match('icmp type', '8')],
    ['-m length --length 0:100', match('meta length', '0-100')],
    ['-m tcp --tcp-flags SYN,RST SYN', { ...match('tcp flags', 'syn'), mask: ['syn', 'rst'] }],
    ['toString x', { kind: 'unknown' }],
    ['-m constructor --strange', { kind: 'unknown' }],
    ['-m set --match-set cali40s:x src', { kind: 'unknown' }],
    ['-m set ! --match-set cali40s:x src', { kind: 'unknown' }],
    ['-m addrtype --dst-type LOCAL --limit-iface-in', { kind: 'unknown' }],
    ['-m icmp --icmp-type 3/1', { kind: 'unknown' }],
    ['-m statistic --mode random --probability 0.5', { kind: 'unknown' }],
    ['-m limit --limit 1/sec', { kind: 'unknown' }],
    ['-m rpfilter --invert', { kind: 'unknown' }],
    ['-m string --string "a -j b" --algo bm', { kind: 'unknown' }],
    ['-f', { kind: 'unknown' }],
  ])('%s', (rule, step) => {
    expect(only(`-A INPUT ${rule} -j DROP`)).toMatchObject([
      ...Array.from({ length: only(`-A INPUT ${rule} -j DROP`).length - 1 }, () => step),
      { kind: 'verdict', verdict: { kind: 'drop' } },
    ])
    expect(only(`-A INPUT ${rule} -j DROP`).length).toBeGreaterThan(1)
  })

  it.each([
    ['-j ACCEPT', [{ verdict: { kind: 'accept' } }]],
    ['-j RETURN', [{ verdict: { kind: 'return' } }]],
    ['-j REJECT --reject-with tcp-reset', [{ verdict: { kind: 'reject', with: 'tcp-reset' } }]],
    ['-j KUBE-SERVICES', [{ verdict: { kind: 'jump', chain: 'KUBE-SERVICES' } }]],
    ['-j constructor', [{ verdict: { kind: 'jump', chain: 'constructor' } }]],
    ['-g KUBE-SERVICES', [{ verdict: { kind: 'goto', chain: 'KUBE-SERVICES' } }]],
    ['-j LOG --log-prefix "x -j DROP"', []],
    ['-j MARK --set-xmark 0x4000/0x4000', [{ kind: 'mark', change: { and: 0xffffbfff, xor: 0x4000 } }]],
    ['-j MARK --set-xmark 0x1/0xffffffff', [{ kind: 'mark', change: { and: 0, xor: 1 } }]],
    ['-j CONNMARK --restore-mark', [{ kind: 'mark', change: null }]],
    ['-j CT --notrack', [{ kind: 'notrack' }]],
    ['-j DNAT --to-destination 192.0.2.1:80', [{ verdict: { kind: 'dnat', to: '192.0.2.1', port: 80 } }]],
    ['-j DNAT --to-destination 192.0.2.1-192.0.2.4', [{ verdict: { kind: 'dnat', to: null, port: null } }]],
    ['-j DNAT --to-destination [2001:db8::1]:80', [{ verdict: { kind: 'dnat', to: '2001:db8::1', port: 80 } }]],
    ['-j DNAT --to-destination 2001:db8::1', [{ verdict: { kind: 'dnat', to: '2001:db8::1', port: null } }]],
    ['-j REDIRECT --to-ports 15001', [{ verdict: { kind: 'redirect', port: 15001 } }]],
    ['-j REDIRECT --to-ports 1-9', [{ verdict: { kind: 'dnat', to: null, port: null } }]],
    ['-j MASQUERADE --random-fully', [{ verdict: { kind: 'snat' } }]],
    ['-j NFQUEUE --queue-num 0', [{ verdict: { kind: 'taken' } }]],
  ])('%s', (target, steps) => {
    expect(only(`-A INPUT ${target}`)).toMatchObject(steps)
    expect(only(`-A INPUT ${target}`)).toHaveLength(steps.length)
  })

  it('chains have hook, priority and policy; rules their counters; comments are no conditions', () => {
    const [input, user] = parseIptablesSave(
      '*filter\n:INPUT DROP [7:9]\n:x - [0:0]\n[3:4] -A INPUT -m comment --comment "a \\"b\\" ! -j ACCEPT" -j x\nCOMMIT\n',
      'ip',
    )
    expect(input).toMatchObject({
      ...{ backend: 'iptables-legacy', family: 'ip', table: 'filter', name: 'INPUT' },
      base: { hook: 'input', type: 'filter', priority: 0, policy: 'drop' },
      rules: [{ handle: null, packets: 3, steps: [{ verdict: { kind: 'jump', chain: 'x' } }] }],
    })
    expect(user).toMatchObject({ name: 'x', base: null })
  })

  it('a table of another tool is as it stands in its text', () => {
    const state = recordedLegacy('docker')
    expect(chainOf(state, 'FORWARD')?.base?.policy).toBe('drop')
    expect(rulesOf(state, 'FORWARD')).toHaveLength(6)
  })

  it('no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), (text) => void parseIptablesSave(`*filter\n:INPUT ACCEPT\n-A INPUT ${text}`, 'ip6')),
    )
  })
})

describe('reading', () => {
  const dirs: string[] = []
  afterEach(() => {
    vi.unstubAllEnvs()
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
  })

  /** A PATH with these shell scripts, and cat. */
  function installed(scripts: Readonly<Record<string, string>>): void {
    const dir = mkdtempSync(join(tmpdir(), 'firewall-'))
    dirs.push(dir)
    symlinkSync('/bin/cat', join(dir, 'cat'))
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(dir, name), 0o755)
    }
    vi.stubEnv('PATH', dir)
  }
  const nft = (nftables: unknown) => `echo '${JSON.stringify({ nftables })}'`
  const filter = [
    {
      chain: { family: 'ip', table: 'filter', name: 'INPUT', type: 'filter', hook: 'input', prio: 0, policy: 'accept' },
    },
    { rule: { family: 'ip', table: 'filter', chain: 'INPUT', handle: 2, expr: [{ xt: null }, { drop: null }] } },
  ]
  const save = `echo '*filter'; echo ':INPUT ACCEPT [0:0]'; echo '[5:6] -A INPUT -s 192.0.2.1/32 -j DROP'; echo COMMIT`

  test('without nft: TOOL_MISSING', async () => {
    installed({})
    expect(await readFirewall(null)).toMatchObject({ ok: false, code: 'TOOL_MISSING' })
  })

  test('without nsenter another namespace cannot be read: TOOL_MISSING', async () => {
    installed({ nft: nft([]) })
    expect(await readFirewall('/proc/1/ns/net')).toMatchObject({ ok: false, code: 'TOOL_MISSING' })
  })

  test('without permission: PERMISSION_MISSING, in nft’s own words', async () => {
    installed({ nft: 'echo "Operation not permitted (you must be root)" >&2; exit 1' })
    const read = await readFirewall(null)
    expect(read).toMatchObject({
      ok: false,
      code: 'PERMISSION_MISSING',
      detail: expect.stringContaining('must be root'),
    })
  })

  test('an nft that cannot print JSON: TOOL_FAILED', async () => {
    installed({ nft: 'echo "Error: JSON support not compiled-in" >&2; exit 1' })
    expect(await readFirewall(null)).toMatchObject({
      ok: false,
      code: 'TOOL_FAILED',
      detail: expect.stringContaining('JSON'),
    })
  })

  test('an nft that hangs: TOOL_FAILED within the budget', async () => {
    installed({ nft: 'exec /bin/sleep 20' })
    const start = performance.now()
    expect(await readFirewall(null)).toMatchObject({
      ok: false,
      code: 'TOOL_FAILED',
      detail: expect.stringContaining('2000 ms'),
    })
    expect(performance.now() - start).toBeLessThan(3000)
  })

  test('without iptables its tables are read as far as nft tells them', async () => {
    installed({ nft: nft(filter) })
    const read = await readFirewall(null)
    expect(read).toMatchObject({ ok: true, value: { chains: [{ backend: 'iptables-nft' }] } })
    expect(read.ok && read.value.chains[0]?.rules[0]).toMatchObject({
      steps: [{ kind: 'unknown' }, { kind: 'verdict' }],
    })
  })

  test.each([
    ['named by its back end', { 'iptables-nft-save': save }],
    ['the only one there is', { iptables: 'echo "iptables v1.8.9 (nf_tables)"', 'iptables-save': save }],
  ])('with iptables %s they are read as it writes them', async (_, scripts) => {
    installed({ nft: nft(filter), ...scripts })
    const read = await readFirewall(null)
    expect(read.ok && read.value.chains[0]?.rules[0]).toMatchObject({
      ...{ text: '-s 192.0.2.1/32 -j DROP', handle: 2 },
      steps: [{ kind: 'match', fields: ['ip saddr'] }, { kind: 'verdict' }],
    })
  })

  test('iptables of the other back end is not asked', async () => {
    installed({ nft: nft(filter), iptables: 'echo "iptables v1.8.9 (legacy)"', 'iptables-save': save })
    const read = await readFirewall(null)
    expect(read.ok && read.value.chains[0]?.rules[0]?.steps[0]).toMatchObject({ kind: 'unknown' })
  })
})
