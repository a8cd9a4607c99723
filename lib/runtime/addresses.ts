/** The addresses of a network namespace, from files that need no capability to read. Pure. */

/**
 * IPv4 addresses of /proc/<pid>/net/fib_trie: a leaf `|-- 198.51.100.7` followed by `/32 host LOCAL`
 * (net/ipv4/fib_trie.c). Loopback is left out.
 */
export function ipv4Addresses(fibTrie: string): string[] {
  const found = [...fibTrie.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g)].map((match) => match[1] ?? '')
  return [...new Set(found)].filter((address) => !address.startsWith('127.'))
}

/**
 * IPv6 addresses of /proc/<pid>/net/if_inet6: `<32 hex> <ifindex> <prefix length> <scope> <flags> <device>`
 * (net/ipv6/addrconf.c), as 32 hexadecimal digits. Loopback and link-local ones are left out.
 */
export function ipv6Addresses(ifInet6: string): string[] {
  return ifInet6
    .split('\n')
    .map((line) => line.split(/\s+/))
    .filter(([address, , , scope]) => address?.length === 32 && scope !== '10' && scope !== '20')
    .map(([address]) => address ?? '')
}

/** Network devices of /proc/<pid>/net/dev. */
export const devices = (netDev: string): string[] =>
  [...netDev.matchAll(/^\s*([^\s:|]+):/gm)].map((match) => match[1] ?? '')
