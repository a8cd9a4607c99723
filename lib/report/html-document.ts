/** What every HTML page of ours stands in. */
import { STYLE } from './html-style.ts'
import { html, type Markup } from './markup.ts'
import { oneLine } from './text.ts'

/** Bytes that a page may have. */
const MAX_BYTES = 300_000

/** The page with the first of these limits that keeps it under MAX_BYTES; with the last where none does. */
export function fitting(limits: readonly number[], page: (limit: number) => string): string {
  let text = ''
  for (const limit of limits) {
    text = page(limit)
    if (Buffer.byteLength(text) < MAX_BYTES) break
  }
  return text
}

/** The page as text. Its policy keeps it from loading or running anything, even if an escape were missing. */
export function documentText(title: string, body: Markup): string {
  const page = html`<html lang="en"><head><meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'" />
<meta name="viewport" content="width=device-width, initial-scale=1" /><meta name="color-scheme" content="light dark" />
<link rel="icon" href="data:," /><title>${oneLine(title)}</title><style>${{ markup: STYLE }}</style></head>
<body>
${body}
</body></html>`
  return `<!DOCTYPE html>\n${page.markup}\n`
}
