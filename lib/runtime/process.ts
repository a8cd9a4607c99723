/**
 * One process of /proc as this room needs it. Files are read synchronously: pool threads may be in another namespace.
 */
import { readdirSync, readFileSync, statfsSync } from 'node:fs'
import ipaddr from 'ipaddr.js'
import { NamespaceError, namespaceAt } from '../netns/index.ts'
import { devices, ipv4Addresses, ipv6Addresses } from './addresses.ts'
import { RuntimeError } from './types.ts'

/** include/uapi/linux/magic.h */
const NSFS_MAGIC = 0x6e736673

/**
 * Inode of the network namespace at `path`. Throws RuntimeError with PERMISSION_MISSING or NAMESPACE_GONE. A pinned
 * namespace whose mount does not reach this mount namespace is an empty ordinary file: that is gone as well.
 */
export function namespaceInode(path: string): string {
  try {
    const inode = namespaceAt(path)
    if (statfsSync(path).type === NSFS_MAGIC) return inode
  } catch (error) {
    if (error instanceof NamespaceError) throw new RuntimeError(error.code, error.message, error.hint)
    // statfs: it vanished between the two calls
    throw new RuntimeError(
      'NAMESPACE_GONE',
      `no network namespace at ${path} any more`,
      'The pod was restarted: run again.',
    )
  }
  throw new RuntimeError(
    'NAMESPACE_GONE',
    `${path} is an ordinary file here: the namespace that the runtime pinned there is not mounted`,
    'In a container, mount /run/netns with mountPropagation HostToContainer, or run with hostPID: true.',
  )
}

/** Text of a file below /proc, null when the process or the file is gone or may not be read. */
export function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code === 'string') return null
    throw error
  }
}

/** Every process id of a proc file system, ascending. */
export function processIds(procRoot: string): number[] {
  return readdirSync(procRoot)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

export interface NamespaceView {
  /** Addresses but loopback and link-local ones, in one spelling (RFC 5952). */
  readonly addresses: readonly string[]
  readonly devices: readonly string[]
}

/**
 * What the network namespace of a process holds, read without entering it (no capability needed); null when it is
 * gone.
 */
export function viewNamespace(procRoot: string, pid: number): NamespaceView | null {
  const read = (file: string) => readProc(`${procRoot}/${pid}/net/${file}`)
  const [v4, v6, dev] = [read('fib_trie'), read('if_inet6'), read('dev')]
  if (dev === null) return null
  const v6Texts = ipv6Addresses(v6 ?? '').map((hex) => canonical(hex.replace(/(.{4})(?!$)/g, '$1:')))
  return { addresses: [...ipv4Addresses(v4 ?? ''), ...v6Texts], devices: devices(dev) }
}

/** One spelling for each address, so that texts can be compared; what is no address stays. */
export const canonical = (address: string): string =>
  ipaddr.isValid(address) ? ipaddr.parse(address).toString() : address

/** Whether two lists have an address in common. */
export const share = (a: readonly string[], b: readonly string[]): boolean => {
  const set = new Set(a.map(canonical))
  return b.some((address) => set.has(canonical(address)))
}

/** Whether a Docker daemon runs on the node. */
export const dockerRuns = (procRoot: string): boolean =>
  processIds(procRoot).some((pid) => readProc(`${procRoot}/${pid}/comm`) === 'dockerd\n')
