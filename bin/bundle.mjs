/**
 * `node bin/bundle.mjs DIRECTORY ENTRY...`: modules of the library, and all that they import of it, as few plain JavaScript files in
 * DIRECTORY. Prints JSON: the path of each entry, and the path of its file. A process of its own: what the bundler takes, 140 MB, it never gives
 * back before its process ends.
 */
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

const LIB = resolve(import.meta.dirname, '../lib')

const [dir, ...entries] = process.argv.slice(2)
const build = await rolldown({
  input: Object.fromEntries(entries.map((path) => [path.slice(LIB.length + 1).replace(/\W/g, '-'), path])),
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
const { output } = await build.write({ dir, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
await build.close()
const made = output.filter((file) => file.type === 'chunk' && file.isEntry && file.facadeModuleId)
process.stdout.write(JSON.stringify(made.map((file) => [file.facadeModuleId, join(dir, file.fileName)])))
