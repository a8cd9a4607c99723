/**
 * Takes away what a test bed made, from what it left on disk: processes by id, namespaces, mounts, cgroups, files.
 * Synchronous and without help from the daemons, so that it also works when half of them never came up.
 */
import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { networkName, run } from './namespace.ts'
import { kill, runs } from './processes.ts'
import { textOf } from './text.ts'

const CGROUPS = '/sys/fs/cgroup'
/** What CNI made for each pod, by network and pod (libcni's cache). */
const CNI_RECORDS = '/var/lib/cni/results'

/** Removes the bed at `dir` and returns what could not be removed, one line each; empty when all is gone. */
export function teardown(dir: string, prefix: string): string[] {
  // the daemons first: a kubelet would start its pods again, containerd its shims
  for (const identity of lines(join(dir, 'pids'))) if (runs(identity)) kill(Number(identity.split(' ')[0]))
  const sandboxes = findSandboxes(dir, prefix)
  for (const pid of shims(dir)) kill(pid)
  const groups = cgroups(prefix)
  const names = [...ownNamespaces(prefix), ...sandboxes.flatMap((sandbox) => sandbox.namespaces)]
  waitUntil(() => {
    const left = [...groups.flatMap((group) => lines(join(group, 'cgroup.procs'))), ...occupants(names, dir)]
    for (const pid of left) kill(Number(pid))
    return left.length === 0 && shims(dir).length === 0
  })
  for (const mount of mountsUnder(dir)) attempt(() => run('umount', ['-l', mount]))
  for (const name of names) attempt(() => run('ip', ['netns', 'del', name]))
  for (const group of groups) waitUntil(() => attempt(() => rmdirSync(group)) || !existsSync(group))
  for (const sandbox of sandboxes) {
    for (const file of sandbox.files) rmSync(file, { force: true })
  }
  attempt(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return leftovers(dir, prefix, names)
}

/** What is still there of a bed. */
export function leftovers(dir: string, prefix: string, namespaces: readonly string[] = []): string[] {
  const present = new Set(readable('/run/netns'))
  const names = new Set([...ownNamespaces(prefix), ...namespaces])
  return [
    ...[...names].filter((name) => present.has(name)).map((name) => `namespace ${name}`),
    ...shims(dir).map((pid) => `shim process ${pid}`),
    ...mountsUnder(dir).map((mount) => `mount ${mount}`),
    ...cgroups(prefix).map((group) => `cgroup ${group}`),
    ...(existsSync(dir) ? [`directory ${dir}`] : []),
  ]
}

/**
 * Pods that a containerd of this bed started: the namespaces that CNI pinned, and files outside of the bed. A pod that was
 * being deleted has no bundle any more, but CNI's record of what it made, until that is unmade.
 */
function findSandboxes(dir: string, prefix: string): { namespaces: string[]; files: string[] }[] {
  const states = readable(dir).map((node) => join(dir, node, 'containerd/state/io.containerd.runtime.v2.task/k8s.io'))
  const records = readable(CNI_RECORDS)
  const recorded = new RegExp(`^${networkName(prefix)}-([0-9a-f]{64})-`)
  const ids = new Set([...states.flatMap(readable), ...records.flatMap((name) => recorded.exec(name)?.[1] ?? [])])
  return [...ids].map((id) => {
    const bundles = states.map((state) => join(state, id))
    const files = records.filter((name) => name.includes(id)).map((name) => join(CNI_RECORDS, name))
    const told = [...bundles.map((bundle) => join(bundle, 'config.json')), ...files].map(textOf).join()
    const namespaces = [...told.matchAll(/\/netns\/(cni-[0-9a-f-]+)/g)].map((match) => match[1] ?? '')
    return { namespaces: [...new Set(namespaces)], files: [...bundles.flatMap(shimSocket), ...files] }
  })
}

/** containerd writes its shim's address to `address` (1.x) or to `bootstrap.json` (2.x). */
function shimSocket(bundle: string): string[] {
  const written = textOf(join(bundle, 'address')) + textOf(join(bundle, 'bootstrap.json'))
  return [...written.matchAll(/unix:\/\/(\/run\/containerd\/s\/[0-9a-f]+)/g)].map((match) => match[1] ?? '')
}

/** Process ids of the shims that serve a containerd of this bed: their command line names its socket. */
function shims(dir: string): number[] {
  return readable('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program = '', ...args] = textOf(`/proc/${pid}/cmdline`).split('\0')
      return program.includes('containerd-shim') && args.some((arg) => arg.startsWith(`${dir}/`))
    })
    .map(Number)
}

/** Processes in these namespaces, except for the bed's owner, who may have entered one. */
function occupants(namespaces: readonly string[], dir: string): string[] {
  const owner = textOf(join(dir, 'owner')).split(' ')[0]
  return namespaces.flatMap((name) => processesIn(name)).filter((pid) => pid !== '' && pid !== owner)
}

function processesIn(namespace: string): string[] {
  try {
    return run('ip', ['netns', 'pids', namespace]).split('\n')
  } catch {
    // it is gone already
    return []
  }
}

const ownNamespaces = (prefix: string) => readable('/run/netns').filter((name) => name.startsWith(`${prefix}-`))

/** The bed's cgroups in every hierarchy (v1, hybrid or v2), children before parents. */
function cgroups(prefix: string): string[] {
  const roots = [CGROUPS, ...readable(CGROUPS).map((name) => join(CGROUPS, name))]
  return roots.flatMap((root) =>
    readable(root)
      .filter((name) => name.startsWith(`${prefix}-`))
      .flatMap((name) => withChildren(join(root, name))),
  )
}

function withChildren(group: string): string[] {
  // everything else in a cgroup is a file; any of it may vanish meanwhile
  const children = readable(group).map((name) => join(group, name))
  const groups = children.filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory())
  return [...groups.flatMap(withChildren), group]
}

function mountsUnder(dir: string): string[] {
  return lines('/proc/mounts')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mount) => mount.startsWith(`${dir}/`))
    .reverse()
}

function waitUntil(done: () => unknown): void {
  for (let tries = 0; tries < 100 && !done(); tries++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
}

/** Whether a step did not throw: each is tried whatever became of the others. */
function attempt(step: () => unknown): boolean {
  try {
    step()
    return true
  } catch {
    return false
  }
}

const lines = (path: string) => textOf(path).split('\n').filter(Boolean)

function readable(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
