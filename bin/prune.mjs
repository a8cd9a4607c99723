#!/usr/bin/env node
/** `node bin/prune.mjs node_modules`: takes away what no run reads: type declarations, source maps, sources of native parts, documents. */
import { readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'

const UNREAD =
  /\.(?:map|d\.[cm]?ts|flow|md|markdown|c|cc|cpp|h|hh|hpp|o|d|gypi?|mk|target\.mk)$|^Makefile$|^binding\.Makefile$/i
/** Licences ask to be kept with the copies. */
const LICENCE = /^(?:licen[cs]e|copying|notice|third)/i
/** What node-gyp leaves of a build beside the module itself. */
const INTERMEDIATE = new Set(['obj.target', '.deps'])

function prune(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.isDirectory() && !INTERMEDIATE.has(entry.name)) prune(path)
    else if (entry.isDirectory() || (UNREAD.test(entry.name) && !LICENCE.test(entry.name)))
      rmSync(path, { recursive: true })
  }
  if (readdirSync(dir).length === 0) rmSync(dir, { recursive: true })
}

const [dir] = process.argv.slice(2)
if (dir === undefined || basename(dir) !== 'node_modules') {
  console.error('usage: node bin/prune.mjs DIRECTORY/node_modules')
  process.exit(1)
}
prune(dir)
