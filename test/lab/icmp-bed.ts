/** Three namespaces in a row, a - r - b, both families; r routes. Faults are nft rules in r. */
import type { Family, Target } from '../../lib/types.ts'
import type { WireEnd } from '../bed/delay.ts'
import { inNamespace, ip, nft, run } from '../bed/namespace.ts'

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
  /** Rules of a namespace's chain at a hook; replaces what was there. */
  rules(namespace: string, hook: 'prerouting' | 'input' | 'forward' | 'output', ...rules: readonly string[]): void
  /** Loses so many percent of the probes, of their replies and of r's "too big" errors, each at random. */
  lose(percent: number): void
  /** Makes a path for each plan: a target behind b of its own whose packets r treats so. Replaces what was there. */
  paths(plans: readonly PathPlan[]): readonly Target[]
  /** Takes all rules away. */
  clear(): void
  remove(): void
}

interface Names {
  readonly a: string
  readonly r: string
  readonly b: string
}

export function makeChain(prefix: string): Chain {
  const names = addNamespaces(prefix)
  cable({ namespace: names.r, device: 'ra' }, { namespace: names.a, device: 'eth0' })
  return wireUp(names)
}

/** A chain whose cable a - r is what `lay` makes between the two ends it is given. */
export async function makeChainOver(prefix: string, lay: (a: WireEnd, r: WireEnd) => Promise<unknown>): Promise<Chain> {
  const names = addNamespaces(prefix)
  await lay({ namespace: names.a, device: 'eth0' }, { namespace: names.r, device: 'ra' })
  return wireUp(names)
}

function addNamespaces(prefix: string): Names {
  const names = { a: `${prefix}-a`, r: `${prefix}-r`, b: `${prefix}-b` }
  for (const name of Object.values(names)) {
    ip(`netns add ${name}`)
    ip(`-n ${name} link set lo up`)
    // A tentative link-local address would delay the first IPv6 packets by a second.
    inNamespace(name, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0')
  }
  return names
}

/** A veth pair. */
export function cable(one: WireEnd, other: WireEnd): void {
  const peer = `peer name ${other.device} mtu 1500 netns ${other.namespace}`
  ip(`-n ${one.namespace} link add ${one.device} mtu 1500 type veth ${peer}`)
}

/** A link that is up drops everything until the kernel has noticed its carrier, which takes a second on a busy machine. */
function awaitCarrier({ namespace, device }: WireEnd): void {
  const state = () => JSON.parse(ip(`-n ${namespace} -j link show ${device}`))[0].operstate
  // A TUN device never says that it is up.
  for (let tries = 0; tries < 100 && !['UP', 'UNKNOWN'].includes(state()); tries++) run('sleep', ['0.05'])
}

function wireUp({ a, r, b }: Names): Chain {
  cable({ namespace: r, device: 'rb' }, { namespace: b, device: 'eth0' })
  const ends: readonly WireEnd[] = [
    { namespace: a, device: 'eth0' },
    { namespace: r, device: 'ra' },
    { namespace: r, device: 'rb' },
    { namespace: b, device: 'eth0' },
  ]
  for (const { namespace, device } of ends) ip(`-n ${namespace} link set ${device} up`)
  for (const end of ends) awaitCarrier(end)
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
    nft(namespace, `table inet fault_${hook}\ndelete table inet fault_${hook}\n${table}`)
  }
  const forward = (...rules: readonly string[]) => chain(r, 'forward', rules)
  return {
    a,
    r,
    b,
    nearMtu: (mtu) => setMtu(mtu, [a, 'eth0'], [r, 'ra']),
    farMtu: (mtu) => setMtu(mtu, [r, 'rb'], [b, 'eth0']),
    forward,
    rules: (namespace, hook, ...rules) => chain(namespace, hook, rules),
    lose: (percent) => {
      // Where a packet enters r, and where r itself speaks: a "too big" error is made before the forward chain.
      for (const hook of ['prerouting', 'output']) chain(r, hook, lossRules(percent))
    },
    paths: (plans) => {
      const targets = plans.map(({ family }, n) => pathTarget(family, n))
      const routes = plans.flatMap((plan, n) => routeOf(plan, targets[n]?.address ?? ''))
      ip(`-n ${b} route replace local 198.18.0.0/16 dev lo`)
      ip(`-n ${b} -6 route replace local 2001:db8:e::/64 dev lo`)
      run('ip', ['-n', r, '-batch', '-'], routes.join('\n'))
      forward(...plans.flatMap((plan, n) => dropOf(plan, targets[n]?.address ?? '')))
      return targets
    },
    clear: () => {
      for (const namespace of [a, r, b]) inNamespace(namespace, 'nft', 'flush', 'ruleset')
    },
    // The test process itself lives in a: only the names go now, the namespaces with their last process.
    remove: () => {
      for (const name of [a, r, b]) ip(`netns del ${name}`)
    },
  }
}

/** healthy: whatever the MTU, all of it passes. signalled: r says so. black-hole: r drops without a word. */
export interface PathPlan {
  readonly family: Family
  readonly kind: 'healthy' | 'signalled' | 'black-hole'
  readonly mtu: number
}

function pathTarget(family: Family, n: number): Target {
  const address = family === 4 ? `198.18.${n >> 8}.${n & 255}` : `2001:db8:e::${n.toString(16)}`
  return { role: 'the target', name: `path ${n}`, address, family }
}

/** A locked route MTU is what Linux forwards by, as by the MTU of a link. */
function routeOf({ family, kind, mtu }: PathPlan, address: string): string[] {
  const limit = kind === 'signalled' ? ` mtu lock ${mtu}` : ''
  return [`route replace ${address} via ${B[family]}${limit}`]
}

function dropOf({ family, kind, mtu }: PathPlan, address: string): string[] {
  return kind === 'black-hole' ? [`${family === 4 ? 'ip' : 'ip6'} daddr ${address} meta length gt ${mtu} drop`] : []
}

function lossRules(percent: number): string[] {
  const lost = `numgen random mod 100 < ${percent} drop`
  return [
    `icmp type { echo-request, echo-reply, destination-unreachable } ${lost}`,
    `icmpv6 type { echo-request, echo-reply, packet-too-big } ${lost}`,
  ]
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
