/**
 * A test bed: a prefix for namespaces, a directory for state, and daemons, all of which are gone when it is closed or
 * when its owner ends in any way, SIGKILL included: a reaper process waits at the other end of a pipe.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ip, startIn } from './namespace.ts'
import { identify, runs } from './processes.ts'
import { teardown } from './teardown.ts'

const REAPER = fileURLToPath(new URL('reaper.ts', import.meta.url))
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

export interface Daemon {
  readonly name: string
  readonly pid: number
  /** Path of its output. */
  readonly log: string
  running(): boolean
  /** Kills it and waits for its end. */
  stop(): Promise<void>
}

export interface Bed {
  readonly prefix: string
  /** State of this bed; gone after close(). */
  readonly dir: string
  /** Full name of a namespace of this bed. */
  namespace(name: string): string
  /** Makes a namespace with loopback up and returns its full name. */
  addNamespace(name: string): string
  /** Starts a process in a namespace (by full name) that lives until the bed is closed. `env` is added to ours. */
  start(namespace: string, name: string, command: readonly string[], env?: Readonly<Record<string, string>>): Daemon
  /** Takes everything away; throws with a list if something is left. */
  close(): Promise<void>
}

/**
 * Opens a bed. A prefix serves one bed at a time: what an owner left that is gone (after a reboot, say) is cleaned up
 * first, a bed whose owner lives makes this throw.
 */
export async function openBed(prefix: string): Promise<Bed> {
  requireRoot()
  if (!/^[a-z][a-z0-9]{0,7}$/.test(prefix)) throw new Error(`test bed prefix "${prefix}": use 1 to 8 of a-z, 0-9`)
  const dir = join(tmpdir(), `k8snetlook-${prefix}`)
  await clearRemains(dir, prefix)
  mkdirSync(join(dir, 'log'), { recursive: true })
  writeFileSync(join(dir, 'owner'), identify(process.pid))
  const reaper = startReaper(dir, prefix)
  appendFileSync(join(dir, 'reaper'), identify(reaper.pid ?? 0))
  const namespace = (name: string) => `${prefix}-${name}`
  return {
    prefix,
    dir,
    namespace,
    addNamespace(name) {
      ip(`netns add ${namespace(name)}`)
      ip(`-n ${namespace(name)} link set lo up`)
      return namespace(name)
    },
    start: (where, name, command, env) => startDaemon(dir, where, name, command, env),
    close: () => closeBed(dir, reaper),
  }
}

function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error('the test bed makes network namespaces: run it as root')
}

async function clearRemains(dir: string, prefix: string): Promise<void> {
  if (!existsSync(dir)) return
  const read = (file: string) => (existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '')
  if (runs(read('owner'))) {
    const pid = read('owner').split(' ')[0]
    throw new Error(`test bed "${prefix}" is in use by process ${pid}: wait for it, or choose another prefix`)
  }
  // its owner is gone: give its reaper the time to finish
  for (let tries = 0; tries < 150 && runs(read('reaper')); tries++) await sleep(100)
  if (existsSync(dir)) teardown(dir, prefix)
}

function startReaper(dir: string, prefix: string): ChildProcess {
  const log = openSync(`${dir}.reaper.log`, 'w')
  const reaper = spawn(process.execPath, ['--import', 'tsx', REAPER, dir, prefix], {
    cwd: PROJECT,
    detached: true,
    stdio: ['pipe', log, log],
  })
  reaper.unref()
  return reaper
}

async function closeBed(dir: string, reaper: ChildProcess): Promise<void> {
  const ended = reaper.exitCode === null && reaper.signalCode === null ? once(reaper, 'exit') : Promise.resolve()
  reaper.ref()
  reaper.stdin?.end()
  await ended
  const log = `${dir}.reaper.log`
  if (reaper.exitCode !== 0) throw new Error(`the test bed did not clean up: ${readFileSync(log, 'utf8').trim()}`)
}

function startDaemon(
  dir: string,
  namespace: string,
  name: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Daemon {
  const log = join(dir, 'log', `${namespace}-${name}.log`)
  const [program = '', ...args] = command
  const child = startIn(namespace, program, args, log, { cwd: dir, env: { ...process.env, ...env } })
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} did not start: is nsenter installed?`)
  child.unref()
  appendFileSync(join(dir, 'pids'), `${identify(pid)}\n`)
  const running = () => child.exitCode === null && child.signalCode === null
  return {
    name,
    pid,
    log,
    running,
    async stop() {
      if (!running()) return
      const ended = once(child, 'exit')
      child.ref()
      child.kill('SIGKILL')
      await ended
    },
  }
}
