/**
 * The library as few plain JavaScript files, made anew for each run. Vite would hand its hundred modules to every process one
 * by one, each transformed, written and fetched by itself; that costs a healthy run half a second and 50 MB.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

const LIB = fileURLToPath(new URL('.', import.meta.url))

const ENTRIES = [
  ...['agent/main.ts', 'check.ts', 'cluster/check.ts', 'cluster/guard.ts', 'cluster/setup.ts', 'enter.ts'],
  ...['preflight.ts', 'setup.ts'],
]

/** What is imported from outside lib/, by the checks and by Vitest itself, and what is a process of its own. */
const entries = (): string[] => [
  ...ENTRIES.map((name) => join(LIB, name)),
  ...readdirSync(join(LIB, 'question')).map((name) => join(LIB, 'question', name)),
]

/** A Vite plugin: who asks for an entry of the library gets the bundle's file, which Node loads by itself. */
export function bundledLibrary() {
  const bundled = bundle()
  // whoever resolves first meets a failure; until then it must not be an unhandled rejection
  bundled.catch(() => undefined)
  return {
    name: 'k8snetlook:bundle',
    enforce: 'pre' as const,
    config: () => ({ test: { server: { deps: { external: [BUNDLED] } } } }),
    async resolveId(this: Resolver, source: string, importer: string | undefined) {
      if (!source.endsWith('.ts')) return null
      const resolved = await this.resolve(source, importer, { skipSelf: true })
      const file = resolved && (await bundled).get(resolved.id)
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
  const input = Object.fromEntries(entries().map((path) => [path.slice(LIB.length).replace(/\W/g, '-'), path]))
  const build = await rolldown({
    input,
    platform: 'node',
    treeshake: false,
    // packages are named by their path: Node would look for them from the bundle's place
    external: /\/node_modules\//,
    makeAbsoluteExternalsRelative: false,
    resolve: { conditionNames: ['node', 'import', 'module-sync', 'default'] },
    plugins: [
      {
        name: 'where-it-was',
        transform: {
          filter: { code: /import\.meta\.url/ },
          handler: (code, id) => code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)),
        },
      },
    ],
  })
  const { output } = await build.write({
    dir,
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
  })
  await build.close()
  return new Map(
    output.flatMap((file) =>
      file.type === 'chunk' && file.isEntry && file.facadeModuleId
        ? [[file.facadeModuleId, join(dir, file.fileName)] as const]
        : [],
    ),
  )
}
