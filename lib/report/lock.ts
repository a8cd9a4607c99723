/**
 * One run at a time writes the reports of a node. The node file in the reports directory holds the process that does, and the
 * node name of the last run, so that the next run can mark that report incomplete before it knows its node.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'

export type Lock =
  | { readonly state: 'own'; rename(node: string): void; release(): void }
  | { readonly state: 'held'; readonly message: string; release(): void }
  | { readonly state: 'none'; release(): void }

interface NodeFile {
  readonly pid: number | null
  /** Start time of that process in clock ticks since boot (proc_pid_stat(5) field 22): a pid alone may be reused. */
  readonly start: string | null
  readonly node: string
}

/** `what`: of all nodes together, or of this host's node: their reports are not each other's. */
const fileIn = (dir: string, what: string): string => join(dir, `.k8snetlook-${what}.json`)

/** The node name of the last run from this host, if any. */
export function lastNodeName(dir: string, what = hostname()): string | undefined {
  return read(dir, what)?.node
}

/** Takes the lock. 'held': another live run has it. 'none': the directory cannot be written; the reports will say so. */
export function acquireLock(dir: string, what = hostname()): Lock {
  const known = read(dir, what)
  if (known?.pid && known.pid !== process.pid && known.start !== null && startOf(known.pid) === known.start) {
    const message = `another run (process ${known.pid}) is writing the reports in ${dir}: wait for it, or set REPORTS_DIR to another directory`
    return { state: 'held', message, release() {} }
  }
  let node = known?.node ?? hostname()
  const save = (pid: number | null): boolean => {
    const content: NodeFile = { pid, start: pid ? startOf(pid) : null, node }
    try {
      mkdirSync(dir, { recursive: true })
      const temporary = `${fileIn(dir, what)}.${process.pid}`
      writeFileSync(temporary, JSON.stringify(content))
      renameSync(temporary, fileIn(dir, what))
      return true
    } catch {
      return false
    }
  }
  if (!save(process.pid)) return { state: 'none', release() {} }
  return {
    state: 'own',
    rename(name) {
      node = name
      save(process.pid)
    },
    release() {
      save(null)
    },
  }
}

function read(dir: string, what: string): NodeFile | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dir, what), 'utf8'))
  } catch {
    return undefined
  }
}

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // the command name, field 2, may hold blanks and parentheses
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}
