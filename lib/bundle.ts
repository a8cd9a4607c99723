/**
 * The library as few plain JavaScript files, made anew for each run. Vite would hand its hundred modules to every process one
 * by one, each transformed, written and fetched by itself; that costs a healthy run half a second and 50 MB, and the main process another
 * 100 MB for its own part.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const LIB = fileURLToPath(new URL('.', import.meta.url))
const BUNDLER = fileURLToPath(new URL('../bin/bundle.mjs', import.meta.url))

const ENTRIES = [
  ...['agent/main.ts', 'check.ts', 'cluster/check.ts', 'cluster/guard.ts', 'cluster/setup.ts', 'enter.ts'],
  ...['preflight.ts', 'report/gate.ts', 'report/sequencer.ts', 'setup.ts'],
]

/** What is imported from outside lib/, by the configuration, the checks and Vitest itself, and what is a process of its own. */
const entries = (): string[] => [
  ...ENTRIES.map((name) => join(LIB, name)),
  ...readdirSync(join(LIB, 'question')).map((name) => join(LIB, 'question', name)),
]

/** A Vite plugin: who asks for an entry of the library gets the bundle's file, which Node loads by itself. */
function pluginFor(bundled: ReadonlyMap<string, string>) {
  return {
    name: 'k8snetlook:bundle',
    enforce: 'pre' as const,
    config: () => ({ test: { server: { deps: { external: [BUNDLED] } } } }),
    async resolveId(this: Resolver, source: string, importer: string | undefined) {
      if (!source.endsWith('.ts')) return null
      const resolved = await this.resolve(source, importer, { skipSelf: true })
      const file = resolved && bundled.get(resolved.id)
      return file ? { id: file } : resolved
    },
  }
}

interface Resolver {
  resolve(source: string, importer?: string, options?: { skipSelf: boolean }): Promise<{ readonly id: string } | null>
}

const PREFIX = 'k8snetlook-lib-'
const BUNDLED = new RegExp(`/${PREFIX}[^/]+/[^/]+\\.mjs$`)

/** Path of each entry to the path of its file. The directory is random, ours alone, and gone with this process. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const dir = mkdtempSync(join(tmpdir(), PREFIX))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const { stdout } = await promisify(execFile)(process.execPath, [BUNDLER, dir, ...entries()])
  return new Map(JSON.parse(stdout) as [string, string][])
}

/** Bundles the library. Where that cannot be done nothing can be asked: it says why, and ends the process with 2. */
export async function bundledLibrary() {
  const bundled = await bundle().catch((error: Error & { stderr?: string }) => {
    const reason = (error.stderr || error.message).trim()
    console.error(
      `k8snetlook cannot be made ready in ${tmpdir()}: ${reason}\nNothing was asked. Set TMPDIR to a directory that can be written.`,
    )
    process.exit(2)
  })
  return {
    plugin: pluginFor(bundled),
    /** An entry's module, by its path in lib/. Not by import(): where the configuration is run by Vite, that would be Vite's too. */
    load: <Module>(entry: string) => createRequire(import.meta.url)(bundled.get(join(LIB, entry)) ?? entry) as Module,
  }
}
