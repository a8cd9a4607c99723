/** A service with 5,000 endpoints is one question that ends in seconds, whether they answer or not. */
import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterNamespace } from '../../../lib/netns/index.ts'
import { endpointPings, endpointPorts } from '../../../lib/question/service.ts'
import type { Endpoint, Fact, Plan, Source } from '../../../lib/types.ts'
import { ip, namespaces, netnsPath } from '../../bed/namespace.ts'

const ENDPOINTS = 5000
const PORT = 8080
const bed = namespaces('mny')
let server: ChildProcess

beforeAll(async () => {
  const name = bed.add('many')
  // one namespace that owns the whole range: every address answers
  ip(`-n ${name} route add local 198.18.64.0/18 dev lo`)
  // and a link into the void, for addresses that are silent
  ip(`-n ${name} link add void type veth peer name nobody`)
  for (const end of ['void', 'nobody']) ip(`-n ${name} link set ${end} up`)
  ip(`-n ${name} route add 198.18.128.0/17 dev void`)
  ip(`-n ${name} neigh add 198.18.200.1 lladdr 02:00:00:00:00:01 dev void nud permanent`)
  const code = `require('node:net').createServer((s) => s.end()).listen(${PORT}, '::', 4096, () => console.log('up'))`
  server = spawn('nsenter', [`--net=${netnsPath(name)}`, process.execPath, '-e', code])
  await new Promise((resolve) => server.stdout?.once('data', resolve))
  await enterNamespace(netnsPath(name))
})

afterAll(() => {
  server.kill('SIGKILL')
  bed.remove()
})

const known = <T>(value: T): Fact<T> => ({ state: 'known', value })

function planWith(runId: string, port: number, addressOf: (index: number) => string): Plan {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, index): Endpoint => {
    return { address: addressOf(index), family: 4, port, protocol: 'tcp', portName: '', ready: true }
  })
  const service = {
    namespace: 'default',
    name: 'web',
    type: 'ClusterIP',
    clusterIPs: [],
    headless: true,
    externalName: null,
  }
  const source = { addresses: [], hostNetwork: false } as unknown as Source
  const plan = { runId, probes: 1, source: known(source), node: { internalIPs: [] } }
  return { ...plan, service: known({ ...service, ports: [], endpoints: known(endpoints) }) } as unknown as Plan
}

const inRange = (index: number) => `198.18.${64 + (index >> 8)}.${index & 255}`

test('5,000 endpoints that answer ping and TCP pass within seconds', { timeout: 30_000 }, async () => {
  const plan = planWith('answering', PORT, inRange)
  const started = performance.now()
  const pings = await endpointPings(plan, 'pod', { family: 4 })
  const ports = await endpointPorts(plan, 'pod', { family: 4 })
  expect(pings.reached).toMatchObject({ ok: true })
  expect(ports.reached).toMatchObject({ ok: true })
  expect(ports.reached.detail).toContain(`${ENDPOINTS} of ${ENDPOINTS} ready endpoints answered`)
  expect(performance.now() - started).toBeLessThan(15_000)
})

test('one dead endpoint of 5,000 fails, and is named', { timeout: 30_000 }, async () => {
  const dead = '198.18.200.1'
  const plan = planWith('one dead', PORT, (index) => (index === 4321 ? dead : inRange(index)))
  const started = performance.now()
  const ports = await endpointPorts(plan, 'pod', { family: 4 })
  expect(ports.reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  expect(ports.reached.detail).toContain(dead)
  expect(performance.now() - started).toBeLessThan(15_000)
})

test('5,000 endpoints of which none answers fail within seconds', { timeout: 60_000 }, async () => {
  const plan = planWith('silent', PORT, (index) => `198.18.${128 + (index >> 8)}.${index & 255}`)
  const started = performance.now()
  const [pings, ports] = await Promise.all([
    endpointPings(plan, 'pod', { family: 4 }),
    endpointPorts(plan, 'pod', { family: 4 }),
  ])
  expect(pings.reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  expect(ports.reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  expect(performance.now() - started).toBeLessThan(20_000)
})
