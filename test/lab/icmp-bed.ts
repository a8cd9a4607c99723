/** Three namespaces in a row, a - r - b, both families; r routes. Faults are nft rules in r. */
import { inNamespace, ip, run } from '../bed/namespace.ts'

export const B = { 4: '203.0.113.2', 6: '2001:db8:b::2' } as const
export const R = { 4: '198.51.100.1', 6: '2001:db8:a::1' } as const

export interface Chain {
  readonly a: string
  readonly r: string
  readonly b: string
  /** MTU of both ends of a - r. */
  nearMtu(mtu: number): void
  /** MTU of both ends of r - b. */
  farMtu(mtu: number): void
  /** Rules of r's forward chain, both families; replaces what was there. */
  forward(...rules: readonly string[]): void
  /** Rules of a namespace's input or output chain; replaces what was there. */
  rules(namespace: string, hook: 'input' | 'output', ...rules: readonly string[]): void
  /** Takes all rules away. */
  clear(): void
  remove(): void
}

export function makeChain(prefix: string): Chain {
  const [a, r, b] = [`${prefix}-a`, `${prefix}-r`, `${prefix}-b`]
  for (const name of [a, r, b]) {
    ip(`netns add ${name}`)
    ip(`-n ${name} link set lo up`)
    // A tentative link-local address would delay the first IPv6 packets by a second.
    inNamespace(name, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0')
  }
  for (const [name, near, far, mtu] of [
    ['ra', a, r, 1500],
    ['rb', b, r, 1500],
  ] as const) {
    ip(`-n ${r} link add ${name} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${near}`)
    ip(`-n ${near} link set eth0 up`)
    ip(`-n ${far} link set ${name} up`)
  }
  const address = (namespace: string, device: string, v4: string, v6: string) => {
    ip(`-n ${namespace} addr add ${v4}/24 dev ${device}`)
    ip(`-n ${namespace} addr add ${v6}/64 dev ${device} nodad`)
  }
  address(a, 'eth0', '198.51.100.2', '2001:db8:a::2')
  address(r, 'ra', R[4], R[6])
  address(r, 'rb', '203.0.113.1', '2001:db8:b::1')
  address(b, 'eth0', B[4], B[6])
  inNamespace(r, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
  // One test's errors must not use up the next one's (RFC 1812 4.3.2.8).
  inNamespace(r, 'sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0')
  ip(`-n ${a} route add default via ${R[4]}`)
  ip(`-n ${a} -6 route add default via ${R[6]}`)
  ip(`-n ${b} route add default via 203.0.113.1`)
  ip(`-n ${b} -6 route add default via 2001:db8:b::1`)
  const setMtu = (mtu: number, ...ends: readonly (readonly [string, string])[]) => {
    for (const [namespace, device] of ends) ip(`-n ${namespace} link set ${device} mtu ${mtu}`)
  }
  const chain = (namespace: string, hook: string, rules: readonly string[]) => {
    const body = rules.map((rule) => `    ${rule}\n`).join('')
    const table = `table inet fault_${hook} {\n  chain c {\n    type filter hook ${hook} priority 0;\n${body}  }\n}\n`
    run(
      'nsenter',
      [`--net=/run/netns/${namespace}`, 'nft', '-f', '-'],
      `table inet fault_${hook}\ndelete table inet fault_${hook}\n${table}`,
    )
  }
  return {
    a,
    r,
    b,
    nearMtu: (mtu) => setMtu(mtu, [a, 'eth0'], [r, 'ra']),
    farMtu: (mtu) => setMtu(mtu, [r, 'rb'], [b, 'eth0']),
    forward: (...rules) => chain(r, 'forward', rules),
    rules: (namespace, hook, ...rules) => chain(namespace, hook, rules),
    clear: () => {
      for (const namespace of [a, r, b]) inNamespace(namespace, 'nft', 'flush', 'ruleset')
    },
    // The test process itself lives in a: only the names go now, the namespaces with their last process.
    remove: () => {
      for (const name of [a, r, b]) ip(`netns del ${name}`)
    },
  }
}

/** Random numbers that a printed seed brings back (mulberry32). */
export function random(seed: number): (lowest: number, highest: number) => number {
  let state = seed
  return (lowest, highest) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return lowest + (((mixed ^ (mixed >>> 14)) >>> 0) % (highest - lowest + 1))
  }
}
