/** Several programs in one child process, in the namespace in question. */
import { execFile } from 'node:child_process'
import type { Outcome } from '../../types.ts'

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/**
 * What a shell script prints, run in the namespace at `path` or in the calling thread's own (null); `args` are its own. Its exit
 * code says nothing (grep that finds nothing fails), running out of time does. Code: TOOL_FAILED.
 */
export function shell(
  path: string | null,
  script: string,
  args: readonly string[],
  budgetMs: number,
): Promise<Outcome<string>> {
  const [program, ...before] = path === null ? ['sh'] : ['nsenter', `--net=${path}`, 'sh']
  const options = { timeout: budgetMs, maxBuffer: MAX_OUTPUT_BYTES }
  return new Promise((resolve) => {
    execFile(program as string, [...before, '-c', script, 'sh', ...args], options, (error, stdout) => {
      if (error === null || typeof error.code === 'number') return resolve({ ok: true, value: stdout, evidence: [] })
      const detail = error.killed ? `reading took longer than ${budgetMs / 1000} s` : error.message
      resolve({ ok: false, code: 'TOOL_FAILED', detail, evidence: [] })
    })
  })
}
