/**
 * Reports in a log, between marked lines, for where nothing but the log of a container outlives a run; and the reader of such logs.
 *
 *     -----BEGIN junit-n1.xml-----
 *     <?xml version="1.0" ...
 *     -----END junit-n1.xml-----
 *
 * Pure.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { mute } from './pipeline.ts'

/** Container runtimes cut lines at 16 KiB, and collectors of logs keep the pieces apart. */
const LINE_LENGTH = 4096
const PACKED = '.gz'
/** As a marker is printed: a file's name, without blanks. */
const MARKER = /^-----(BEGIN|END) (\S+)-----$/

/** A report's text as lines of a log. A line in it that looks like a marker, or like a command to a log service, is kept from being one. */
export function printedText(name: string, text: string): string {
  const tame = mute(text).replace(/^(?=-----(?:BEGIN|END) )/gm, ' ')
  return block(name, tame.endsWith('\n') ? tame : `${tame}\n`)
}

/** The exact text, a tenth as long: gzipped, in lines of base64. */
export function packedText(name: string, text: string): string {
  const base64 = gzipSync(text).toString('base64')
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? []
  return block(`${name}${PACKED}`, lines.map((line) => `${line}\n`).join(''))
}

const block = (name: string, body: string): string => `-----BEGIN ${name}-----\n${body}-----END ${name}-----\n`

/** A report that was found in a log. `name`: its file's name. */
export type PrintedReport =
  | { readonly name: string; readonly text: string }
  /** Begun, but not to be read: `problem` says why. */
  | { readonly name: string; readonly text: null; readonly problem: string }

/** Every report that was begun in a log, in order; packed ones unpacked, under their own file's name. */
export function unprinted(log: string): PrintedReport[] {
  const found: PrintedReport[] = []
  let open: { readonly name: string; readonly lines: string[] } | null = null
  for (const line of log.split('\n')) {
    const [, mark, name] = MARKER.exec(line.trimEnd()) ?? []
    if (mark === 'END' && open !== null && name === open.name) {
      found.push(readBlock(open.name, open.lines))
      open = null
    } else if (mark === 'BEGIN' && name !== undefined) {
      if (open !== null) found.push(cut(open.name))
      open = { name, lines: [] }
    } else {
      open?.lines.push(line)
    }
  }
  return open === null ? found : [...found, cut(open.name)]
}

function readBlock(name: string, lines: readonly string[]): PrintedReport {
  if (!name.endsWith(PACKED)) return { name, text: lines.map((line) => `${line}\n`).join('') }
  // what others wrote in between is no base64; gzip's checksum tells whether anything is missing
  const base64 = lines.map((line) => line.trim()).filter((line) => /^[A-Za-z0-9+/]+=*$/.test(line))
  const whole = unpackedName(name)
  try {
    return { name: whole, text: gunzipSync(Buffer.from(base64.join(''), 'base64')).toString() }
  } catch (error) {
    return { name: whole, text: null, problem: `${whole} is damaged in the log: ${(error as Error).message}` }
  }
}

const unpackedName = (name: string): string => (name.endsWith(PACKED) ? name.slice(0, -PACKED.length) : name)

function cut(name: string): PrintedReport {
  const whole = unpackedName(name)
  return { name: whole, text: null, problem: `${whole} begins in the log, and its end is missing` }
}
