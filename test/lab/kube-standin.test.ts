/** The API stand-in as a process in a namespace of its own, as the lab uses it: it serves, is told to fail, and goes away. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { tellStandin } from '../bed/api-standin.ts'
import { node } from '../bed/api-standin-objects.ts'
import { authority } from '../bed/certificates.ts'
import { inNamespace, ip, namespaces, startIn } from '../bed/namespace.ts'

const spaces = namespaces('kp')
const pki = authority('lab-ca')
const dir = mkdtempSync(join(tmpdir(), 'kp-'))
const admin = join(dir, 'admin.sock')
const log = join(dir, 'log')
let space = ''

beforeAll(async () => {
  space = spaces.add('api')
  ip(`-n ${space} addr add 198.51.100.1/32 dev lo`)
  writeFileSync(join(dir, 'ca.crt'), pki.ca)
  const options = {
    listen: ['198.51.100.1:6443'],
    certificates: { good: pki.issue({ altNames: 'IP:198.51.100.1' }) },
    clientCa: pki.ca,
    tokens: ['lab-token'],
    objects: [node('n1', ['192.0.2.11'])],
    admin,
  }
  writeFileSync(join(dir, 'standin.json'), JSON.stringify(options))
  const script = fileURLToPath(new URL('../bed/api-standin.ts', import.meta.url))
  startIn(space, process.execPath, ['--import', 'tsx', script, join(dir, 'standin.json')], log)
  await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toContain('ready 6443'), { timeout: 20_000, interval: 100 })
})
afterAll(() => {
  spaces.remove()
  pki.remove()
  rmSync(dir, { recursive: true })
})

const curl = (path: string, ...more: string[]) =>
  inNamespace(
    space,
    'curl',
    ...['-s', '-m', '5', '--cacert', join(dir, 'ca.crt'), '-w', ' %{http_code}', ...more],
    `https://198.51.100.1:6443${path}`,
  )
const bearer = ['-H', 'Authorization: Bearer lab-token']

test('serves, fails as told, and goes away', async () => {
  expect(curl('/api/v1/nodes/n1', ...bearer)).toMatch(/"name":"n1".* 200$/s)
  expect(curl('/api/v1/nodes/n9', ...bearer)).toMatch(/ 404$/)
  expect(curl('/api/v1/nodes')).toMatch(/system:anonymous.* 403$/s)
  expect(curl('/api/v1/nodes', '-H', 'Authorization: Bearer wrong')).toMatch(/ 401$/)
  expect(curl('/readyz?verbose')).toMatch(/\[\+\]etcd ok.* 200$/s)
  await tellStandin(admin, { behave: { unhealthy: ['etcd'], status: { 'list nodes': 403 } } })
  expect(curl('/readyz?verbose')).toMatch(/\[-\]etcd failed.* 500$/s)
  expect(curl('/api/v1/nodes', ...bearer)).toMatch(/ 403$/)
  await tellStandin(admin, { behave: {}, objects: [node('n7', [])] })
  expect(curl('/api/v1/nodes', ...bearer)).toContain('"name":"n7"')
  await tellStandin(admin, { close: true })
  expect(() => curl('/readyz')).toThrow()
})
