/** Random rule sets for one server: what nftables and both back ends of iptables can ask of a packet, from a seed. */

/** A generator of numbers below 1 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const CLIENTS = { 4: ['198.18.0.1', '198.18.0.11'], 6: ['2001:db8::1', '2001:db8::11'] } as const
export const SERVERS = { 4: ['198.18.0.2', '198.18.0.12'], 6: ['2001:db8::2', '2001:db8::12'] } as const
export const PORTS = [7001, 7002, 7003, 7004] as const

type Dice = ReturnType<typeof dice>

export function dice(next: () => number) {
  const one = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
  const times = <T>(from: number, to: number, make: (i: number) => T): T[] =>
    Array.from({ length: from + Math.floor(next() * (to - from + 1)) }, (_, i) => make(i))
  return { one, times, chance: (part: number) => next() < part }
}

interface Shape {
  /** ip, ip6 or inet. */
  readonly family: string
  /** Chains that a rule here may go to: later ones only, so that there is no loop. */
  readonly chains: readonly string[]
  readonly hook: string
  readonly nat: boolean
}

/** A whole nftables rule set, as `nft -f` takes it: the skeleton, and each rule by itself, since a kernel may refuse some. */
export function nftRules({ one, times, chance }: Dice): {
  readonly skeleton: string
  readonly rules: readonly string[]
} {
  const rules: string[] = []
  const tables = times(1, 3, (t) => {
    const family = one(['inet', 'inet', 'ip', 'ip6'])
    const name = `t${t}`
    const hook = one(['input', 'input', 'prerouting'])
    const users = ['u0', 'u1', 'u2']
    const sets = setTexts({ one, times, chance }, family)
    const add = (chain: string, shape: Shape, most: number) =>
      rules.push(
        ...times(0, most, () => `add rule ${family} ${name} ${chain} ${nftRule({ one, times, chance }, shape)}`),
      )
    const bases = times(1, 2, (b) => {
      const nat = hook === 'prerouting' && chance(0.4)
      const type = nat
        ? `nat hook ${hook} priority ${one([-100, -101, -90])}`
        : `filter hook ${hook} priority ${one([-310, -150, -100, -5, 0, 0, 10])}`
      add(`b${b}`, { family, chains: users, hook, nat }, 6)
      return `chain b${b} { type ${type}; policy ${chance(0.1) ? 'drop' : 'accept'}; }`
    })
    for (const [i, user] of users.entries()) add(user, { family, chains: users.slice(i + 1), hook, nat: false }, 4)
    return [`table ${family} ${name} {`, ...sets, ...users.map((user) => `chain ${user} { }`), ...bases, '}'].join('\n')
  })
  return { skeleton: tables.join('\n'), rules }
}

function setTexts({ one, times }: Dice, family: string): readonly string[] {
  const ip = family === 'ip6' ? 6 : 4
  const type = `ipv${ip}_addr`
  const verdict = () => one(['accept', 'drop', 'continue', 'return', 'jump u1', 'goto u2'])
  const distinct = (keys: readonly string[]) => [...new Set(keys)]
  const pairs = distinct(times(1, 4, () => `${one(SERVERS[ip])} . ${one(PORTS)}`))
  const ports = distinct(times(1, 3, () => `${one(PORTS)}`))
  return [
    `set addresses { type ${type}; flags interval; elements = { ${distinct([one(networks(ip)), one(CLIENTS[ip])])
      .slice(0, 1)
      .join(', ')} }; }`,
    `set pairs { type ${type} . inet_service; elements = { ${pairs.join(', ')} }; }`,
    `map ports { type inet_service : verdict; elements = { ${ports.map((port) => `${port} : ${verdict()}`).join(', ')} }; }`,
    `map keys { type inet_proto . inet_service : verdict; elements = { ${ports.map((port) => `${one(['tcp', 'udp'])} . ${port} : ${verdict()}`).join(', ')} }; }`,
  ]
}

const networks = (ip: 4 | 6): readonly string[] =>
  ip === 4
    ? ['198.18.0.0/29', '198.18.0.8/29', '198.18.0.0/24', '198.18.0.1-198.18.0.5', '203.0.113.0/24']
    : ['2001:db8::/125', '2001:db8::8/125', '2001:db8::/64', '2001:db8::1-2001:db8::5', '2001:db8:1::/48']

function nftRule(roll: Dice, shape: Shape): string {
  const { times, chance } = roll
  const conditions = times(0, 3, () => nftMatch(roll, shape))
  return [...conditions, 'counter', chance(0.15) ? nftMark(roll) : '', nftVerdict(roll, shape)]
    .filter(Boolean)
    .join(' ')
}

function nftMatch({ one, chance }: Dice, { family, hook }: Shape): string {
  const ip = family === 'inet' ? one([4, 6] as const) : family === 'ip' ? 4 : 6
  const layer = ip === 4 ? 'ip' : 'ip6'
  const not = chance(0.25) ? '!= ' : ''
  const address = one([...CLIENTS[ip], ...SERVERS[ip], ...networks(ip)])
  const port = one(PORTS)
  const named = family !== 'ip6' ? 'ip' : 'ip6'
  return one([
    `${layer} saddr ${not}${address}`,
    `${layer} daddr ${not}${address}`,
    `${layer} daddr ${not}{ ${SERVERS[ip][0]}, ${CLIENTS[ip][1]} }`,
    `${named} saddr ${not}@addresses`,
    `${named} daddr . ${one(['tcp', 'udp'])} dport ${not}@pairs`,
    `${one(['tcp', 'udp'])} dport ${not}${port}`,
    `${one(['tcp', 'udp'])} dport ${not}{ ${PORTS[0]}, ${PORTS[2]}-${PORTS[3]} }`,
    `udp dport ${one(['<', '<=', '>', '>='])} ${port}`,
    `meta l4proto ${not}{ tcp, udp } th dport ${port}`,
    `udp sport ${not}20000-${20000 + port}`,
    `meta l4proto ${not}${one(['tcp', 'udp', ip === 4 ? 'icmp' : 'ipv6-icmp'])}`,
    `meta l4proto ${not}{ tcp, udp }`,
    `meta nfproto ${not}${one(['ipv4', 'ipv6'])}`,
    `meta protocol ${one(['ip', 'ip6'])}`,
    `iifname ${not}${one(['"eth0"', '"eth*"', '"lo"', '{ "lo", "eth1" }'])}`,
    `iif ${not}"${one(['eth0', 'lo'])}"`,
    `meta mark ${one(['0x1', '0x2', '!= 0x0', '& 0x1 == 0x1', '& 0x3 != 0x2', '0x1-0x3', '{ 0x1, 0x4 }'])}`,
    `ct state ${one(['new', 'established,related', 'invalid', '!= new', '{ new, invalid }', '!= { established }', '! established,invalid', 'untracked'])}`,
    `ct status ${one(['dnat', 'snat'])}`,
    `meta length ${one(['< 60', '> 100', '40-70'])}`,
    `tcp flags ${one(['syn', '& (syn|ack) == syn', '& (fin|syn|rst|ack) != syn', 'ack'])}`,
    ip === 4 ? 'icmp type echo-request' : 'icmpv6 type { echo-request, nd-neighbor-solicit }',
    ip === 4 ? 'ip protocol udp' : 'ip6 nexthdr tcp',
    `fib daddr type ${not}local`,
    hook === 'input' ? 'fib saddr type local' : 'fib saddr . iif oif missing',
    'limit rate 1/second burst 1 packets',
    'numgen inc mod 2 0',
  ])
}

const nftMark = ({ one }: Dice): string =>
  `meta mark set ${one(['0x1', '0x2', 'meta mark | 0x4', 'meta mark & 0xfffffffe', 'meta mark ^ 0x1', 'ct mark'])}`

function nftVerdict({ one, chance }: Dice, { chains, hook, nat, family }: Shape): string {
  const named = family === 'ip6' ? 'ip6' : 'ip'
  if (nat && chance(0.5)) {
    const ip = named === 'ip' ? 4 : 6
    const address = one(SERVERS[ip])
    const port = one(PORTS)
    return one([
      `meta l4proto udp redirect to :${port}`,
      `meta l4proto { tcp, udp } dnat ${family === 'inet' ? `${named} ` : ''}to ${ip === 6 ? `[${address}]` : address}:${port}`,
      `dnat ${family === 'inet' ? `${named} ` : ''}to ${address}`,
      'accept',
    ])
  }
  const jumps = chains.flatMap((chain) => [`jump ${chain}`, `goto ${chain}`])
  // The maps lead to u1 and u2: from those and after them they would make a loop.
  const maps =
    chains.length === 3 || chains.includes('u1') ? ['tcp dport vmap @ports', 'meta l4proto . th dport vmap @keys'] : []
  const inline = `iifname vmap { "eth0" : ${one(['accept', 'drop', 'continue'])}, "lo" : drop }`
  return one([
    ...['accept', 'accept', 'drop', 'drop', 'return', 'continue', ''],
    ...(hook === 'input'
      ? ['reject', 'reject with tcp reset', family === 'ip6' ? 'reject' : 'reject with icmp type host-unreachable']
      : []),
    ...[...jumps, ...jumps, ...maps, inline],
    `udp dport vmap { ${PORTS[0]} : drop, ${PORTS[1]}-${PORTS[2]} : accept } accept`,
    `ct state vmap { new : ${one(['continue', 'accept', 'drop'])}, invalid : drop } ${one(['drop', 'accept'])}`,
    `numgen random mod ${one([1, 2])} vmap { 0 : ${one(['accept', 'drop'])} }`,
    ...(hook === 'prerouting' ? ['notrack'] : []),
  ])
}

/** Text for `iptables-restore` (4) or `ip6tables-restore` (6). */
export function iptablesRules(roll: Dice, ip: 4 | 6): string {
  const { one, times, chance } = roll
  const tables = ['raw', 'mangle', 'nat', 'filter'].filter((table) => chance(table === 'filter' ? 0.9 : 0.4))
  return tables
    .map((table) => {
      const chain = table === 'filter' ? 'INPUT' : 'PREROUTING'
      const users = ['A', 'B']
      const policy = table !== 'nat' && chance(0.1) ? 'DROP' : 'ACCEPT'
      const rule = (from: string, later: readonly string[]) =>
        `-A ${from} ${iptablesRule({ one, times, chance }, ip, table, later)}`
      return [
        ...[`*${table}`, `:${chain} ${policy} [0:0]`, ...users.map((user) => `:${user} - [0:0]`)],
        ...times(1, 6, () => rule(chain, users)),
        ...times(0, 3, () => rule('A', ['B'])),
        ...times(0, 3, () => rule('B', [])),
        'COMMIT',
      ].join('\n')
    })
    .concat('')
    .join('\n')
}

function iptablesRule({ one, times, chance }: Dice, ip: 4 | 6, table: string, later: readonly string[]): string {
  const not = () => (chance(0.25) ? '! ' : '')
  const port = one(PORTS)
  const protocol = one(['', '', 'tcp', 'udp', ip === 4 ? 'icmp' : 'ipv6-icmp'])
  const ported = protocol === 'tcp' || protocol === 'udp'
  const address = () =>
    one([...CLIENTS[ip], ...SERVERS[ip], ...networks(ip).filter((network) => !network.includes('-'))])
  const matches = times(0, 2, () =>
    one([
      ...[`${not()}-s ${address()}`, `${not()}-d ${address()}`, `${not()}-i ${one(['eth0', 'eth+', 'lo'])}`],
      ...(ported
        ? [`-m ${protocol} ${not()}--dport ${one([`${port}`, `${PORTS[0]}:${port}`, ':7002', '7003:'])}`]
        : []),
      ...(ported ? [`-m multiport ${not()}--dports ${PORTS[0]},${PORTS[2]}:${PORTS[3]}`] : []),
      ...(protocol === 'tcp' ? ['--syn', '! --syn'] : []),
      ...(protocol === 'icmp' ? ['-m icmp --icmp-type 8'] : []),
      ...(protocol === 'ipv6-icmp' ? ['-m icmp6 --icmpv6-type 128'] : []),
      `-m conntrack ${not()}--ctstate ${one(['NEW', 'RELATED,ESTABLISHED', 'INVALID', 'DNAT', 'ESTABLISHED,DNAT', 'UNTRACKED'])}`,
      ...[
        `-m mark ${not()}--mark ${one(['0x1', '0x1/0x1', '0x0/0x3'])}`,
        '-m comment --comment "a \\"word\\" -j DROP"',
      ],
      `-m addrtype ${not()}--dst-type LOCAL`,
      `-m length ${not()}--length ${one(['0:60', '28:48', '100'])}`,
      '-m statistic --mode nth --every 2 --packet 0',
    ]),
  )
  // An option may stand in a rule once.
  const options = [
    ...new Map(
      matches.map((match) => [
        match
          .replace(/^! /, '')
          .split(' ')
          .slice(0, 2)
          .join(' ')
          .replace(/^(-[sdi]) .*/, '$1')
          .replace(/^(! )?--syn.*/, 'syn'),
        match,
      ]),
    ).values(),
  ]
  const target = one([
    ...['-j ACCEPT', '-j RETURN', ''],
    ...(table === 'nat' ? [] : ['-j DROP', '-j DROP']),
    ...later.flatMap((chain) => [`-j ${chain}`, `-g ${chain}`]),
    ...(table === 'filter' ? ['-j REJECT', ...(protocol === 'tcp' ? ['-j REJECT --reject-with tcp-reset'] : [])] : []),
    ...(table === 'mangle' ? ['-j MARK --set-xmark 0x1/0x1', '-j MARK --set-xmark 0x2/0xffffffff'] : []),
    ...(table === 'raw' ? ['-j CT --notrack'] : []),
    ...(table === 'nat' && ported
      ? [
          `-j REDIRECT --to-ports ${port}`,
          `-j DNAT --to-destination ${ip === 6 ? `[${SERVERS[ip][1]}]` : SERVERS[ip][1]}:${port}`,
        ]
      : []),
  ])
  return [protocol ? `-p ${protocol}` : '', ...options, target].filter(Boolean).join(' ')
}
