/** Writes the reports of a node, each by rename, so that a reader never sees half a file. Synchronous: signal handlers use it. */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import type { Pipeline, PrintedKind } from '../settings.ts'
import type { Outcome, Report } from '../types.ts'
import { toHtml } from './html.ts'
import { toJson } from './json.ts'
import { type JUnitOptions, toJUnit } from './junit.ts'
import { toMarkdown } from './markdown.ts'
import { toMetrics } from './metrics.ts'
import { packedText, printedText } from './printed.ts'

/** The file of each report by the node's name, and what writes it; `paths` are where all of them will be. */
const RENDERERS: readonly (readonly [
  fileName: (node: string) => string,
  render: (report: Report, paths: readonly string[], options: WriteOptions) => string,
])[] = [
  [(node) => `junit-${node}.xml`, (report, [, html = ''], options) => toJUnit(report, junitOptions(html, options))],
  [(node) => `report-${node}.html`, toHtml],
  [(node) => `report-${node}.json`, toJson],
  [(node) => `report-${node}.md`, toMarkdown],
  [(node) => `metrics-${node}.prom`, toMetrics],
]

/** Which of them is printed. */
const PRINTED: Readonly<Record<PrintedKind, number>> = { junit: 0, json: 2, packed: 2, markdown: 3 }

export interface WriteOptions {
  readonly pipeline?: Pipeline | null
}

/** GitLab and Jenkins link the page from a failed case, by its path in the checkout; other readers would show the line as it is. */
function junitOptions(html: string, { pipeline }: WriteOptions): JUnitOptions {
  if (pipeline?.kind !== 'gitlab' && pipeline?.kind !== 'jenkins') return {}
  return { attachment: relative(pipeline.root ?? '.', html) }
}

/**
 * Writes the reports of `report.node` into `dir`, each for itself: where one finds no room, a smaller one may. The value is their paths.
 * Fails with REPORTS_UNWRITABLE when one of them could not be written; a file of an earlier run in its place is removed where that is
 * possible, so that it is not taken for this one's.
 */
export function writeReports(dir: string, report: Report, options: WriteOptions = {}): Outcome<readonly string[]> {
  const paths = pathsOf(dir, report.node)
  const started = Date.parse(report.started)
  const errors = RENDERERS.flatMap(([, render], index) => {
    const path = paths[index] as string
    try {
      mkdirSync(dir, { recursive: true })
      replaceFile(path, render(report, paths, options))
      return []
    } catch (error) {
      removeIf(path, (modified) => modified < started)
      return [error as NodeJS.ErrnoException]
    }
  })
  const [first] = errors
  if (!first) return { ok: true, value: paths, evidence: [] }
  return { ok: false, code: 'REPORTS_UNWRITABLE', detail: sentence(dir, first), evidence: [] }
}

/** The reports as PRINT_REPORTS wants them in the log, whether or not `dir` can be written. */
export function printedReports(
  kinds: readonly PrintedKind[],
  dir: string,
  report: Report,
  options: WriteOptions = {},
): string {
  const paths = pathsOf(dir, report.node)
  return kinds
    .map((kind) => {
      const [, render] = RENDERERS[PRINTED[kind]] as (typeof RENDERERS)[number]
      const print = kind === 'packed' ? packedText : printedText
      return print(basename(paths[PRINTED[kind]] as string), render(report, paths, options))
    })
    .join('')
}

/** Removes the reports of a node, if they are there and can be removed. */
export function removeReports(dir: string, node: string): void {
  for (const path of pathsOf(dir, node)) removeIf(path, () => true)
}

/** Where the reports of a node are: a node name that is no file name is made one. */
export function pathsOf(dir: string, node: string): string[] {
  const safe = node.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 200) || 'node'
  return RENDERERS.map(([fileName]) => join(dir, fileName(safe)))
}

/** Writes by rename; throws Node's error. */
export function replaceFile(path: string, text: string): void {
  // hidden, and of one name: what a killed run leaves half written no reader takes for a report, and the next run replaces
  const temporary = join(dirname(path), `.${basename(path)}.tmp`)
  try {
    rmSync(temporary, { force: true })
    // wx: in a directory that others can write to, a link of that name is not followed
    writeFileSync(temporary, text, { flag: 'wx' })
    renameSync(temporary, path)
  } catch (error) {
    removeIf(temporary, () => true)
    throw error
  }
}

function removeIf(path: string, condition: (modifiedMs: number) => boolean): void {
  try {
    if (condition(statSync(path).mtimeMs)) rmSync(path, { force: true })
  } catch {
    // absent, or not removable: then the caller's message says that the directory cannot be written
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a part of the path is not a directory',
  ENOENT: 'a part of the path is missing',
}

function sentence(dir: string, error: NodeJS.ErrnoException): string {
  return `the reports cannot be written to ${dir}: ${reasonOf(error)}; set REPORTS_DIR to a directory that can be written`
}

/** Why a file could not be read or written. */
export const reasonOf = (error: NodeJS.ErrnoException): string => REASONS[error.code ?? ''] ?? error.message
