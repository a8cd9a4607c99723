/**
 * The one door to iproute2's JSON output. The child process starts in the calling thread's network namespace
 * (fork copies the thread's), so a worker that lives in a pod's namespace reads the pod's tables.
 */
import { execFile } from 'node:child_process'
import type { Outcome } from '../types.ts'

const TIMEOUT_MS = 5000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/**
 * Runs `ip -j ...` and returns the decoded list of objects; read-only by convention of the callers.
 * Codes: TOOL_MISSING (no iproute2, or BusyBox's), TOOL_FAILED (it ran and said no; the detail is its own words).
 */
export function readIp(args: readonly string[]): Promise<Outcome<readonly Json[]>> {
  return new Promise((resolve) => {
    execFile(
      'ip',
      ['-j', ...args],
      { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES },
      (error: ExecError | null, stdout, stderr) =>
        resolve(error ? failure(args, error, stderr) : decode(args, String(stdout))),
    )
  })
}

/**
 * Several commands of `ip -j -d` in one process, which starts but once: a list of objects for each. Any trouble fails the
 * whole, with TOOL_FAILED: who needs to know which command met it asks them one by one.
 */
export function readIpTogether(
  commands: readonly (readonly string[])[],
): Promise<Outcome<readonly (readonly Json[])[]>> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
  return new Promise((resolve) => {
    const child = execFile('ip', ['-j', '-d', '-batch', '-'], options, (error, stdout) => {
      const lists = stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => decode(['-batch'], line))
      const values = lists.flatMap((list) => (list.ok ? [list.value] : []))
      if (!error && values.length === commands.length) resolve({ ok: true, value: values, evidence: [] })
      else resolve(fail('TOOL_FAILED', `"ip -j -d -batch" answered ${values.length} of ${commands.length} commands`))
    })
    // that ip is not there, or ended before it had read all, the callback tells
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(commands.map((words) => `${words.join(' ')}\n`).join(''))
  })
}

/** One JSON object of `ip -j`; every field is read through the helpers below. */
export type Json = Readonly<Record<string, unknown>>

/** The field as text, or null when it is missing or something else. */
export const text = (object: Json, field: string): string | null =>
  typeof object[field] === 'string' ? object[field] : null

/** The field as a number, or null when it is missing or something else. */
export const number = (object: Json, field: string): number | null =>
  typeof object[field] === 'number' ? object[field] : null

/** The field as a list of texts; what is not a text is left out. */
export const texts = (object: Json, field: string): readonly string[] =>
  Array.isArray(object[field]) ? object[field].filter((item) => typeof item === 'string') : []

/** The field as a list of objects; what is not an object is left out. iproute2 pads some lists with empty objects. */
export const objects = (object: Json, field: string): readonly Json[] =>
  Array.isArray(object[field]) ? object[field].filter(isObject) : []

/** The field as an object, or an empty one. */
export const object = (parent: Json, field: string): Json => (isObject(parent[field]) ? parent[field] : {})

/** Whether the field is set: iproute2 prints flags as `true` or, the older ones, as null. */
export const flag = (object: Json, field: string): boolean => field in object && object[field] !== false

/** Decodes what `ip -j` printed; nothing at all is an empty list. */
export function decode(args: readonly string[], output: string): Outcome<readonly Json[]> {
  if (output.trim() === '') return { ok: true, value: [], evidence: [] }
  try {
    const value: unknown = JSON.parse(output)
    if (Array.isArray(value)) return { ok: true, value: value.filter(isObject), evidence: [] }
  } catch {
    // reported below, with what was printed
  }
  const start = output.trim().slice(0, 80)
  return fail('TOOL_FAILED', `"ip -j ${args.join(' ')}" printed no JSON list, but: ${start}. ${INSTALL}`)
}

const INSTALL = 'Install iproute2 4.20 or newer.'

type ExecError = Error & { code?: string | number | null; killed?: boolean }

function failure(args: readonly string[], error: ExecError, stderr: string): Outcome<readonly Json[]> {
  const command = `ip -j ${args.join(' ')}`
  if (error.code === 'ENOENT') return fail('TOOL_MISSING', `The program "ip" is not installed. ${INSTALL}`)
  if (/busybox|(unrecognized|invalid) option|option .*is unknown/i.test(stderr)) {
    return fail('TOOL_MISSING', `The installed "ip" cannot print JSON. ${INSTALL}`)
  }
  if (error.killed) return fail('TOOL_FAILED', `"${command}" did not end within ${TIMEOUT_MS} ms.`)
  const said = stderr.trim().split('\n')[0] || `exit code ${error.code}`
  return fail('TOOL_FAILED', `"${command}" failed: ${said}`)
}

function fail(code: string, detail: string): Outcome<never> {
  return { ok: false, code, detail, evidence: [] }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
