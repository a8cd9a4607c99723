/** The release tarball: downloaded, unpacked and run on a node that has neither npm nor Node.js nor a compiler. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../bed/kubernetes/cluster.ts'
import { run } from '../bed/namespace.ts'
import { expectHealthy } from './healthy.ts'
import { runSuite } from './suite.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

let dir: string
let cluster: Cluster

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k8snetlook-release-test-'))
  const release = ['run', '--silent', '--prefix', PROJECT, 'release', '--', 'tarball', '--dirty', '--out', dir]
  const [started] = await Promise.all([startCluster({ prefix: 'rel' }), promisify(execFile)('npm', release)])
  cluster = started
})
afterAll(async () => {
  await cluster?.stop()
  rmSync(dir, { recursive: true, force: true })
})

test('the tarball has the name of version and architecture, and its sum holds', () => {
  const [tarball = ''] = readdirSync(dir).filter((name) => name.endsWith('.tar.gz'))
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string }
  expect(tarball).toBe(`k8snetlook-${version}-linux-${arch}.tar.gz`)
  expect(run('sh', ['-c', `cd "$1" && sha256sum -c ${tarball}.sha256`, 'sh', dir])).toBe(`${tarball}: OK\n`)
  mkdirSync(join(dir, 'unpacked'))
  run('tar', ['-C', join(dir, 'unpacked'), '--strip-components=1', '-xzf', join(dir, tarball)])
})

test('its native parts ask no more of the C library than Node.js does', () => {
  const native = join(dir, 'unpacked/node_modules/raw-socket/build/Release/raw.node')
  const wanted = (file: string) =>
    [...run('objdump', ['-T', file]).matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, a, b]) => Number(a) * 1000 + Number(b))
  expect(Math.max(...wanted(native))).toBeLessThanOrEqual(Math.max(...wanted(join(dir, 'unpacked/bin/node'))))
})

test('unpacked, it runs as it is, from any directory', async () => {
  const home = join(dir, 'home')
  mkdirSync(home)
  const env = {
    PATH: pathWithout(/^(?:node|npm|npx|corepack|yarn|make|python.*|.*(?:cc|g\+\+|c\+\+|cpp|clang).*)$/),
    HOME: home,
  }
  const suite = await runSuite(cluster, { program: [join(dir, 'unpacked/bin/k8snetlook')], cwd: home, env })
  expectHealthy(suite, 'dual')
  expect(readdirSync(home)).toEqual([])
})

/** A PATH with everything that the machine has but for these. */
function pathWithout(programs: RegExp): string {
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  const paths = ['/usr/bin', '/usr/sbin'].flatMap((from) =>
    readdirSync(from).map((name) => [name, join(from, name)] as const),
  )
  for (const [name, path] of new Map(paths)) if (!programs.test(name)) symlinkSync(path, join(bin, name))
  return bin
}
