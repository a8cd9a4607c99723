/** Reading the packet filter of a namespace: all three writers at once, and without leaving a trace. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { walkHook } from '../../lib/diagnose/firewall.ts'
import { readFirewall } from '../../lib/node/firewall/read.ts'
import type { FirewallState } from '../../lib/state.ts'
import { inNamespace, namespaces, netnsPath, nft, run } from '../bed/namespace.ts'

const made = namespaces(`fw-read-${process.pid}`)
const dirs: string[] = []
let name: string

beforeEach(() => {
  name = made.add('n')
})
afterEach(() => {
  vi.unstubAllEnvs()
  made.remove()
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
})

const restore = (command: string, ...lines: string[]) =>
  run('nsenter', [`--net=${netnsPath(name)}`, command], [...lines, 'COMMIT', ''].join('\n'))
const traces = () => [
  inNamespace(name, 'nft', 'list', 'ruleset'),
  inNamespace(name, 'cat', '/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'),
]
async function read(): Promise<FirewallState> {
  const state = await readFirewall(netnsPath(name))
  if (!state.ok) throw new Error(state.detail)
  return state.value
}
const where = (state: FirewallState) =>
  state.chains
    .filter(({ base }) => base)
    .map(({ backend, family, table, name: chain }) => `${backend} ${family} ${table} ${chain}`)

it('of an untouched namespace there is nothing, and nothing comes of reading it', async () => {
  expect(await read()).toEqual({ chains: [], sets: {}, missing: null })
  expect(traces()).toEqual(['', ''])
})

it('all writers are read, and no table is made', async () => {
  nft(name, 'add table inet t\nadd chain inet t c { type filter hook forward priority 0; }')
  restore('iptables-nft-restore', '*filter', ':FORWARD DROP [0:0]')
  restore('ip6tables-nft-restore', '*mangle', ':FORWARD ACCEPT [0:0]')
  restore('iptables-legacy-restore', '*nat', '-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 81')
  restore('ip6tables-legacy-restore', '*raw', '-A PREROUTING -p udp -j DROP')
  const before = traces()
  const state = await read()
  expect(state.missing).toBeNull()
  expect(traces()).toEqual(before)
  expect(where(state)).toEqual(
    expect.arrayContaining([
      ...['nft inet t c', 'iptables-nft ip filter FORWARD', 'iptables-nft ip6 mangle FORWARD'],
      ...['iptables-legacy ip nat PREROUTING', 'iptables-legacy ip6 raw PREROUTING'],
    ]),
  )
  const packet = { family: 6, protocol: 'udp', source: '2001:db8::1', destination: '2001:db8::2', iif: 'eth0' } as const
  expect(walkHook(state, { hook: 'prerouting', packet })).toMatchObject({
    ...{ verdict: 'drop', backend: 'iptables-legacy', family: 'ip6', certain: true },
  })
})

it('rules of the old back end without its program leave nothing certain', async () => {
  restore('iptables-legacy-restore', '*filter', '-A FORWARD -j DROP')
  const dir = mkdtempSync(join(tmpdir(), 'firewall-'))
  dirs.push(dir)
  for (const program of ['/usr/sbin/nft', '/usr/bin/nsenter', '/usr/bin/cat']) {
    symlinkSync(program, join(dir, program.split('/').at(-1) ?? ''))
  }
  vi.stubEnv('PATH', dir)
  const state = await read()
  expect(state.missing).toContain('iptables-legacy-save -t filter')
  const packet = { family: 4, protocol: 'udp', source: '198.18.0.1', destination: '198.18.0.2' } as const
  expect(walkHook(state, { hook: 'forward', packet })).toMatchObject({ verdict: 'unknown' })
})

it('a namespace that is gone cannot be read', async () => {
  expect(await readFirewall('/run/netns/gone')).toMatchObject({ ok: false, code: 'TOOL_FAILED' })
})
