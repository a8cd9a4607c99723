/** Whether a sentence stands in everything that a run leaves: terminal, JSON, JUnit and HTML. */
import type { ProductRun } from './lab-product.ts'

/** Where a pattern is missing; empty when all four say it. Line breaks and markup do not count. */
export function missingFrom(run: ProductRun, pattern: RegExp): string[] {
  const texts = {
    terminal: run.stdout + run.stderr,
    JSON: JSON.stringify(run.report),
    JUnit: run.junit,
    HTML: run.html,
  }
  return Object.entries(texts).flatMap(([name, text]) => (pattern.test(plain(text)) ? [] : [name]))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&quot;': '"',
  '&#39;': "'",
  '&apos;': "'",
  '&lt;': '<',
  '&gt;': '>',
}

/** One line, without markup, entities and JSON's escapes. */
const plain = (text: string): string =>
  text
    .replace(/<\/?(?:code|b|em|strong|wbr)[^>]*>/g, '')
    .replace(/&[a-z0-9#]+;/g, (entity) => ENTITIES[entity] ?? entity)
    .replaceAll('&amp;', '&')
    .replaceAll('\\"', '"')
    .replace(/\s+/g, ' ')
