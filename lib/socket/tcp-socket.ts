/** A TCP socket that belongs to another user or group, or carries a mark: what a pod's own redirect rules let pass. */
import { createRequire } from 'node:module'

const [AF_INET, AF_INET6] = [2, 10]
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_MARK = 36

/** As whom; the owner of a socket is the effective user and group of who made it (net/socket.c, sock_alloc_file). */
export type SocketOwner = { readonly uid: number } | { readonly gid: number } | { readonly mark: number }

interface Libc {
  socket(domain: number, type: number, protocol: number): number
  setsockopt(fd: number, level: number, name: number, value: Uint32Array, length: number): number
  close(fd: number): number
}

let libc: Libc | null | undefined

/** A file descriptor to connect with and to close; null where that cannot be had. Synchronous: nothing else runs as that owner. */
export function tcpSocketOf(owner: SocketOwner, family: 4 | 6): number | null {
  libc ??= loadLibc()
  if (libc === null) return null
  const open = () =>
    libc?.socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) ?? -1
  const fd = 'mark' in owner ? open() : asOwner(owner, open)
  if (fd < 0) return null
  if (!('mark' in owner)) return fd
  if (libc.setsockopt(fd, SOL_SOCKET, SO_MARK, new Uint32Array([owner.mark]), 4) === 0) return fd
  libc.close(fd)
  return null
}

function asOwner(owner: { readonly uid: number } | { readonly gid: number }, open: () => number): number {
  const { seteuid, setegid, geteuid, getegid } = process
  if (!seteuid || !setegid || !geteuid || !getegid) return -1
  const [uid, gid] = [geteuid(), getegid()]
  try {
    if ('gid' in owner) setegid(owner.gid)
    else seteuid(owner.uid)
    return open()
  } catch {
    return -1
  } finally {
    if ('gid' in owner) setegid(gid)
    else seteuid(uid)
  }
}

function loadLibc(): Libc | null {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const c = koffi.load(null)
    return {
      socket: c.func('int socket(int domain, int type, int protocol)'),
      setsockopt: c.func('int setsockopt(int fd, int level, int name, const uint32_t *value, uint32 length)'),
      close: c.func('int close(int fd)'),
    }
  } catch {
    return null
  }
}
