/**
 * The binaries that a cluster needs, built from Go modules into a cache; go.mod and go.sum under go/ pin the versions.
 * Cold: 7 minutes for Kubernetes, 2 for CoreDNS and 2 for kubectl on two cores. Each is kept under the hash of its sources.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { kept } from '../cache.ts'

const SOURCES = fileURLToPath(new URL('go', import.meta.url))
const CONTAINERD = 'github.com/containerd/containerd/v2/cmd'

/** What is built from each module: packages and their binaries' names. */
const MODULES = {
  hyper: { hyper: '.' },
  coredns: { coredns: '.' },
  kubectl: { kubectl: '.' },
  containerd: {
    containerd: `${CONTAINERD}/containerd`,
    'containerd-shim-runc-v2': `${CONTAINERD}/containerd-shim-runc-v2`,
  },
} as const

/** Builds a module unless the cache has it, and returns the directory of its binaries. */
export const built = (module: keyof typeof MODULES): Promise<string> =>
  kept(`${module}-${hashOf(module)}`, async (dir) => {
    for (const [name, path] of Object.entries(MODULES[module])) await goBuild(module, path, join(dir, name))
  })

function hashOf(module: string): string {
  const hash = createHash('sha256')
  for (const file of readdirSync(join(SOURCES, module)).sort()) hash.update(readFileSync(join(SOURCES, module, file)))
  return hash.digest('hex').slice(0, 12)
}

async function goBuild(module: string, path: string, out: string): Promise<void> {
  const child = spawn('go', ['build', '-mod=readonly', '-ldflags=-s -w', '-o', out, path], {
    cwd: join(SOURCES, module),
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const failed = once(child, 'error').then(([error]) => {
    throw new Error('the e2e cluster is built with Go: install it and put it on PATH', { cause: error })
  })
  const said = text(child.stderr)
  const [code] = await Promise.race([once(child, 'close'), failed])
  if (code !== 0) throw new Error(`go build of ${path} in ${module} ended with ${code}:\n${(await said).slice(-2000)}`)
}
