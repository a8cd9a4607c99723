/**
 * Network namespaces of this process. The only place that calls setns.
 *
 * setns(2) moves one thread. Vitest's forks run tests on the main thread, and a worker that has entered a namespace
 * never leaves it: Node creates sockets on a later tick, so "enter, call, leave" would silently measure from the node.
 */
import { closeSync, openSync, readlinkSync, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createRequire } from 'node:module'

const CLONE_NEWNET = 0x40000000
/** setns(2): the file refers to no namespace, or to one of another kind. */
const EINVAL = 22

/** Why a namespace could not be entered; `code` is one of PERMISSION_MISSING, NATIVE_MODULE_MISSING, NAMESPACE_GONE. */
export class NamespaceError extends Error {
  override name = 'NamespaceError'
  readonly code: 'PERMISSION_MISSING' | 'NATIVE_MODULE_MISSING' | 'NAMESPACE_GONE'
  readonly hint: string
  constructor(code: NamespaceError['code'], message: string, hint: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.hint = hint
  }
}

/** Inode number of the calling thread's network namespace, e.g. "4026531840". Synchronous on purpose: pool threads stay behind. */
export function currentNamespace(): string {
  return inodeOfLink(readlinkSync('/proc/thread-self/ns/net'))
}

/**
 * Inode number of the namespace that a path names: /proc/<pid>/ns/net or a pinned file such as /run/netns/x.
 * Throws NamespaceError when the path is gone or may not be read.
 */
export function namespaceAt(path: string): string {
  try {
    return String(statSync(path, { bigint: true }).ino)
  } catch (cause) {
    throw pathError(path, cause)
  }
}

/**
 * Moves this process's main thread into the network namespace at `path`, for good.
 * Pins libuv's pool threads to the present namespace first: they inherit the one of the thread that first uses them.
 * Returns the inode that is now current.
 */
export async function enterNamespace(path: string): Promise<string> {
  await stat('/proc/self')
  const wanted = namespaceAt(path)
  if (wanted === currentNamespace()) return wanted
  const setns = loadSetns()
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (cause) {
    throw pathError(path, cause)
  }
  try {
    const errno = setns(fd)
    if (errno === EINVAL) {
      const message = `${path} is no network namespace`
      throw new NamespaceError('NAMESPACE_GONE', message, 'Name one as /proc/<pid>/ns/net or /run/netns/<name>.')
    }
    if (errno !== 0) {
      throw new NamespaceError(
        'PERMISSION_MISSING',
        `setns into ${path} failed (errno ${errno})`,
        'Run as root with CAP_SYS_ADMIN (and CAP_SYS_PTRACE to open another process’s namespace).',
      )
    }
  } finally {
    closeSync(fd)
  }
  const current = currentNamespace()
  if (current !== wanted) throw new Error(`entered network namespace ${current}, expected ${wanted} (${path})`)
  return current
}

function loadSetns(): (fd: number) => number {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const setns = koffi.load(null).func('int setns(int fd, int nstype)')
    return (fd) => (setns(fd, CLONE_NEWNET) === 0 ? 0 : koffi.errno())
  } catch (cause) {
    throw new NamespaceError(
      'NATIVE_MODULE_MISSING',
      `koffi cannot be loaded: ${firstLine(cause)}`,
      `Run "npm ci" with this Node (${process.version}, ${process.platform}-${process.arch}).`,
      { cause },
    )
  }
}

function pathError(path: string, cause: unknown): NamespaceError {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'EACCES' || code === 'EPERM') {
    return new NamespaceError(
      'PERMISSION_MISSING',
      `may not open ${path} (${code})`,
      'Run as root with CAP_SYS_PTRACE: the namespace belongs to a process of another user.',
      { cause },
    )
  }
  return new NamespaceError(
    'NAMESPACE_GONE',
    `no network namespace at ${path} (${code ?? firstLine(cause)})`,
    'The pod may have been restarted meanwhile: run again.',
    { cause },
  )
}

function inodeOfLink(link: string): string {
  return link.slice(link.indexOf('[') + 1, -1)
}

function firstLine(cause: unknown): string {
  return String((cause as Error)?.message ?? cause).split('\n')[0] ?? ''
}
