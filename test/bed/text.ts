import { readFileSync } from 'node:fs'

/** What a file holds; nothing where it cannot be read (any more): of a process that has ended, say. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
