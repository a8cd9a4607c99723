/** What takes minutes to make is kept: E2E_CACHE, else ~/.cache/k8snetlook-e2e. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { textOf } from './text.ts'

export function cacheDir(): string {
  const { E2E_CACHE } = process.env
  return E2E_CACHE || join(homedir(), '.cache/k8snetlook-e2e')
}

/**
 * The directory of that name in the cache; `make` fills one that becomes it when it is not there. Who asks for it meanwhile, in this process
 * or another, waits: the same thing made twice at once takes twice as long.
 */
export async function kept(name: string, make: (dir: string) => Promise<unknown>): Promise<string> {
  const dir = join(cacheDir(), name)
  const lock = `${dir}.lock`
  mkdirSync(cacheDir(), { recursive: true })
  for (;;) {
    if (existsSync(dir)) return dir
    if (takes(lock)) break
    await sleep(500)
  }
  const part = `${dir}.part`
  try {
    // what a process that was killed left of it
    rmSync(part, { recursive: true, force: true })
    mkdirSync(part)
    await make(part)
    renameSync(part, dir)
  } finally {
    rmSync(part, { recursive: true, force: true })
    rmSync(lock, { force: true })
  }
  return dir
}

/** The lock is this caller's now. One whose process has ended is nobody's. */
function takes(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const pid = Number(textOf(lock))
    if (pid > 0 && !existsSync(`/proc/${pid}`)) rmSync(lock, { force: true })
    return false
  }
}
