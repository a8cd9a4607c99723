/** What ping and path MTU say where they cannot look: no capability, no native module. Never a verdict on the network. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { EchoResult } from '../../lib/probe/icmp.ts'
import type { PathMtu } from '../../lib/probe/pmtu/index.ts'
import { namespaces, netnsPath } from '../bed/namespace.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'icmp-missing-'))
const bed = namespaces(`icm${process.pid}`)
const name = bed.add('n')
afterAll(() => {
  bed.remove()
  rmSync(copy, { recursive: true })
})

const script = `
import { echo, judgeEcho } from './lib/probe/icmp.ts'
import { judgePathMtu, pathMtu, plainContext } from './lib/probe/pmtu/index.ts'
const target = { role: 'the target', name: 'self', address: '127.0.0.1', family: 4 } as const
const [ping] = await echo([target], { probes: 2 })
const path = await pathMtu(target, { promised: 1500, linkMtu: 1500 })
console.log(JSON.stringify({ ping, state: ping && judgeEcho(ping).state, path, outcome: judgePathMtu(path, plainContext({ mtu: 1500, device: 'eth0', linkMtu: 1500, routeMtu: null, learnedMtu: null }, true)).path }))
`

interface Answer {
  readonly ping: EchoResult
  readonly state: string
  readonly path: PathMtu
  readonly outcome: { readonly ok: boolean; readonly code?: string; readonly detail?: string }
}

/** Runs the probes in a copy of lib whose node_modules hold only these, in a process without the capabilities dropped. */
function probe(directory: string, modules: readonly string[], ...drop: readonly string[]): Answer {
  const at = join(copy, directory)
  mkdirSync(join(at, 'node_modules'), { recursive: true })
  cpSync(join(root, 'lib'), join(at, 'lib'), { recursive: true })
  for (const module of modules) symlinkSync(join(root, 'node_modules', module), join(at, 'node_modules', module))
  writeFileSync(join(at, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(at, 'probe.ts'), script)
  const node = [process.execPath, '--import', join(root, 'node_modules/tsx/dist/esm/index.mjs'), 'probe.ts']
  const out = execFileSync('nsenter', [`--net=${netnsPath(name)}`, ...drop, ...node], { cwd: at, encoding: 'utf8' })
  return JSON.parse(out) as Answer
}

test('with capability and module it measures', () => {
  const answer = probe('whole', ['ipaddr.js', 'raw-socket'])
  expect(answer).toMatchObject({ state: 'answered', path: { state: 'ok' }, outcome: { ok: true } })
})

test('without CAP_NET_RAW the capability is named, and nothing is said about the network', () => {
  const answer = probe(
    'unprivileged',
    ['ipaddr.js', 'raw-socket'],
    'setpriv',
    '--bounding-set=-net_raw',
    '--inh-caps=-net_raw',
  )
  expect(answer.ping).toMatchObject({ sent: 0, error: { kind: 'local', code: 'PERMISSION_MISSING' } })
  expect(answer.ping.error?.text).toContain('CAP_NET_RAW')
  expect(answer.state).toBe('not-measured')
  expect(answer.outcome).toMatchObject({ ok: false, code: 'PERMISSION_MISSING' })
})

test('without raw-socket built for this Node the remedy is named', () => {
  const answer = probe('bare', ['ipaddr.js'])
  expect(answer.ping).toMatchObject({ sent: 0, error: { kind: 'local', code: 'NATIVE_MODULE_MISSING' } })
  expect(answer.ping.error?.text).toMatch(/^raw-socket cannot be loaded: .*npm ci/)
  expect(answer.ping.error?.text).not.toContain('\n')
  expect(answer.state).toBe('not-measured')
  expect(answer.outcome).toMatchObject({ ok: false, code: 'NATIVE_MODULE_MISSING' })
})
