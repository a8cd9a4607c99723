/** Network namespaces for tests: made, wired, and always removed again. Needs root and iproute2. */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { openSync } from 'node:fs'

/** Runs a command and returns its standard output; throws with its standard error. Feed `input` on stdin. */
export function run(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 1 << 26 })
}

/** `ip ...`, words separated by blanks: ip('-n a link set lo up'). */
export function ip(line: string): string {
  return run('ip', line.split(' '))
}

/** Path of a named namespace, for setns and nsenter. */
export const netnsPath = (name: string): string => `/run/netns/${name}`

/** Of the pods of a bed, as CNI's configuration and its records have it. */
export const networkName = (prefix: string): string => `bed-${prefix}`

/** Runs a command in a named namespace (nsenter, not `ip netns exec`: that remounts /sys and runc then finds no cgroups). */
export function inNamespace(name: string, command: string, ...args: string[]): string {
  return run('nsenter', [`--net=${netnsPath(name)}`, command, ...args])
}

/** Loads nftables rules in a named namespace; statements are separated by new lines. */
export function nft(name: string, rules: string): void {
  run('nsenter', [`--net=${netnsPath(name)}`, 'nft', '-f', '-'], rules)
}

/** Starts a long-lived process in a namespace, in a process group of its own, its output in a file. */
export function startIn(
  name: string,
  command: string,
  args: readonly string[],
  log: string,
  options: SpawnOptions = {},
): ChildProcess {
  const out = openSync(log, 'a')
  return spawn('nsenter', [`--net=${netnsPath(name)}`, command, ...args], {
    ...options,
    detached: true,
    stdio: ['ignore', out, out],
  })
}

/** Gives out namespaces whose names start with `prefix`, with loopback up; `remove()` takes them all away. */
export function namespaces(prefix: string): { add(name: string): string; remove(): void } {
  const made: string[] = []
  return {
    add(name) {
      const full = `${prefix}-${name}`
      ip(`netns add ${full}`)
      made.push(full)
      ip(`-n ${full} link set lo up`)
      return full
    },
    remove() {
      for (const name of made.splice(0)) {
        const pids = run('ip', ['netns', 'pids', name]).split('\n').filter(Boolean).map(Number)
        // a test that moved into one of its namespaces must survive its own clean-up
        for (const pid of pids.filter((other) => other !== process.pid)) {
          try {
            process.kill(pid, 'SIGKILL')
          } catch {
            // it ended by itself meanwhile
          }
        }
        ip(`netns del ${name}`)
      }
    },
  }
}
