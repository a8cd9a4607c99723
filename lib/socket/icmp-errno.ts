/** raw-socket throws the text of strerror(3) alone. The names behind the texts of glibc and musl. */
const NAMES: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Message too long': 'EMSGSIZE',
  'Message too large': 'EMSGSIZE',
  'Network is unreachable': 'ENETUNREACH',
  'Network unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Host is unreachable': 'EHOSTUNREACH',
  'Network is down': 'ENETDOWN',
  'No buffer space available': 'ENOBUFS',
  'Resource temporarily unavailable': 'EAGAIN',
  'Invalid argument': 'EINVAL',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
  'Address not available': 'EADDRNOTAVAIL',
  'Address family not supported by protocol': 'EAFNOSUPPORT',
  'No such device': 'ENODEV',
}

/** The errno's name behind an error that raw-socket threw; the text itself when it is not one that sockets are known to give. */
export function errnoName(cause: unknown): string {
  const text = String((cause as Error)?.message ?? cause)
  return NAMES[text] ?? text
}
