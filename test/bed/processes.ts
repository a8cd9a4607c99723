/** Processes by id, guarded against reuse of ids by their start time. */
import { readFileSync } from 'node:fs'

/** "pid starttime": the start time is field 22 of /proc/<pid>/stat, proc_pid_stat(5). */
export function identify(pid: number): string {
  return `${pid} ${startTime(pid) ?? 'gone'}`
}

/** Whether the process that identify() described still runs (a zombie does not). */
export function runs(identity: string): boolean {
  const [pid = '', started] = identity.trim().split(' ')
  return pid !== '' && startTime(Number(pid)) === started
}

/** SIGKILL; a process that is gone already is no error. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended by itself meanwhile
  }
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // the command name, in parentheses, may hold blanks
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
