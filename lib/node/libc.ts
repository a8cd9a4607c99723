/** Which C library the processes of a pod run with: their memory maps name it. Reading them takes CAP_SYS_PTRACE. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** musl, glibc, or null: a static binary, or none that can be read. */
export function libcOfMaps(maps: string): 'musl' | 'glibc' | null {
  if (/\/ld-musl-[^/]*$/m.test(maps)) return 'musl'
  return /\/libc(?:\.so\.6|-2\.\d+\.so)$/m.test(maps) ? 'glibc' : null
}

/** Of the first process in network namespace `netns` (its inode) that tells. Looks at every process of the machine. */
export function libcInNamespace(netns: string): 'musl' | 'glibc' | null {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const libc = libcOfProcess(pid, netns)
    if (libc) return libc
  }
  return null
}

function libcOfProcess(pid: string, netns: string): 'musl' | 'glibc' | null {
  try {
    if (readlinkSync(`/proc/${pid}/ns/net`) !== `net:[${netns}]`) return null
    return libcOfMaps(readFileSync(`/proc/${pid}/maps`, 'utf8'))
  } catch {
    // it ended meanwhile, or may not be read
    return null
  }
}
