/**
 * What a network namespace is set to, read at once: interfaces, addresses, routes and rules of every table, neighbours,
 * forwarding entries, sysctls. Nothing here writes or sends.
 */
import { execFile } from 'node:child_process'
import type {
  AddressState,
  FdbState,
  LinkState,
  NamespaceState,
  NeighbourState,
  RouteState,
  RuleState,
} from '../state.ts'
import type { Family, Outcome } from '../types.ts'
import { decode, flag, type Json, number, object, text, texts } from './ip.ts'
import { parseAddresses, parseLink } from './links.ts'
import { parseNeighbour } from './neighbours.ts'
import { parseRoute } from './routes.ts'

const TIMEOUT_MS = 3000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
/** Between the parts of the output; no program of the script prints it. */
const MARK = '--- next part ---'

/** Of /proc/sys/net. What a kernel or namespace does not have, grep leaves out. */
const SYSCTLS = [
  ...['ipv4/ip_forward', 'ipv4/ip_no_pmtu_disc', 'ipv4/tcp_mtu_probing', 'ipv4/ip_local_port_range'],
  ...['ipv4/conf/*/forwarding', 'ipv4/conf/*/rp_filter', 'ipv4/conf/*/arp_ignore', 'ipv4/conf/*/proxy_arp'],
  ...['ipv6/conf/*/forwarding', 'ipv6/conf/*/force_forwarding', 'ipv6/conf/*/disable_ipv6', 'ipv6/conf/all/proxy_ndp'],
  ...['bridge/bridge-nf-call-iptables', 'bridge/bridge-nf-call-ip6tables'],
  ...['netfilter/nf_conntrack_count', 'netfilter/nf_conntrack_max'],
  ...['ipv4/neigh/default/gc_thresh3', 'ipv6/neigh/default/gc_thresh3'],
]

const SCRIPT = [
  `printf 'address show\\nroute show table all\\nrule show\\nneigh show nud all\\n' | ip -j -d -s -batch -`,
  'ip -6 -j rule show',
  'bridge -j fdb show',
  `grep -Hs '' ${SYSCTLS.map((path) => `/proc/sys/net/${path}`).join(' ')}`,
].join(`; echo; echo '${MARK}'; `)

/**
 * The state of the namespace at `path` (/proc/<pid>/ns/net or a pinned file), or of the calling thread's own (null).
 * Entering another one takes CAP_SYS_ADMIN and util-linux's nsenter. Codes: TOOL_MISSING, TOOL_FAILED.
 */
export function readState(path: string | null): Promise<Outcome<NamespaceState>> {
  const [program, ...args] = path === null ? ['sh'] : ['nsenter', `--net=${path}`, 'sh']
  const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
  return new Promise((resolve) => {
    execFile(program as string, [...args, '-c', SCRIPT], options, (error, stdout, stderr) => {
      const state = parseState(stdout)
      if (state) resolve({ ok: true, value: state, evidence: [] })
      else resolve(failure(path, error, stderr))
    })
  })
}

function failure(path: string | null, error: Error | null, stderr: string): Outcome<never> {
  const missing = /(?:ip|bridge)(?:: | )not found|nsenter ENOENT/.test(`${stderr} ${error?.message ?? ''}`)
  const said = stderr.trim().split('\n')[0] || error?.message || 'it printed something else than JSON'
  const where = path === null ? 'this network namespace' : path
  return {
    ok: false,
    code: missing ? 'TOOL_MISSING' : 'TOOL_FAILED',
    detail: `the state of ${where} cannot be read with ip and bridge (iproute2): ${said}`,
    evidence: [],
  }
}

/** Reads what the script printed; null when a part is missing or garbled. Pure. */
export function parseState(output: string): NamespaceState | null {
  const [main, rules6, fdb, sysctls] = output.split(`${MARK}\n`)
  if (main === undefined || rules6 === undefined || fdb === undefined || sysctls === undefined) return null
  const lists = main.split('\n').filter(Boolean).map(list)
  const [links, routes, rules, neighbours] = lists
  if (!links || !routes || !rules || !neighbours) return null
  return {
    links: links.flatMap(parseLinkState),
    addresses: links.flatMap(parseAddresses) satisfies readonly AddressState[],
    routes: routes.flatMap(parseRouteState),
    rules: [...rules.map((rule) => parseRule(rule, 4)), ...(list(rules6) ?? []).map((rule) => parseRule(rule, 6))],
    neighbours: neighbours.flatMap((row) => parseNeighbour(row)).map(neighbourState),
    fdb: (list(fdb) ?? []).flatMap(parseFdb),
    sysctls: parseSysctls(sysctls),
  }
}

function list(line: string): readonly Json[] | undefined {
  const decoded = decode([], line)
  return decoded.ok ? decoded.value : undefined
}

function parseLinkState(row: Json): readonly LinkState[] {
  return parseLink(row).map((link) => {
    const info = object(row, 'linkinfo')
    return {
      name: link.name,
      index: link.index,
      mtu: link.mtu,
      kind: link.kind,
      peerIndex: link.peerIndex,
      peerName: link.peerName,
      master: text(row, 'master'),
      operstate: link.operstate,
      flags: link.flags,
      mac: link.mac,
      port: text(info, 'info_slave_kind') === 'bridge' ? parsePort(object(info, 'info_slave_data')) : null,
      bridge: link.kind === 'bridge' ? parseBridge(object(info, 'info_data')) : null,
      vxlan: link.kind === 'vxlan' ? parseVxlan(object(info, 'info_data')) : null,
      counters: parseCounters(object(row, 'stats64')),
    }
  })
}

const parsePort = (data: Json): NonNullable<LinkState['port']> => ({
  state: text(data, 'state') ?? 'unknown',
  hairpin: flag(data, 'hairpin'),
  isolated: flag(data, 'isolated'),
  learning: flag(data, 'learning'),
})

const parseBridge = (data: Json): NonNullable<LinkState['bridge']> => ({
  callsIptables: number(data, 'nf_call_iptables') === 1,
  callsIp6tables: number(data, 'nf_call_ip6tables') === 1,
})

/** 8472 is the kernel's default (drivers/net/vxlan), which iproute2 prints too. */
const parseVxlan = (data: Json): NonNullable<LinkState['vxlan']> => ({
  id: number(data, 'id'),
  port: number(data, 'port') ?? 8472,
  local: text(data, 'local') ?? text(data, 'local6'),
  device: text(data, 'link'),
  learning: flag(data, 'learning'),
})

function parseCounters(stats: Json): LinkState['counters'] {
  const [rx, tx] = [object(stats, 'rx'), object(stats, 'tx')]
  if (number(rx, 'dropped') === null) return null
  return {
    rxDropped: number(rx, 'dropped') ?? 0,
    rxErrors: number(rx, 'errors') ?? 0,
    txDropped: number(tx, 'dropped') ?? 0,
    txErrors: number(tx, 'errors') ?? 0,
  }
}

/** `ip route show table all` prints both families; an IPv6 default route says so by its gateway or preference alone. */
function parseRouteState(row: Json): readonly RouteState[] {
  const family = familyOfRoute(row)
  return parseRoute(row, family).map((route) => ({
    family,
    table: text(row, 'table') ?? 'main',
    destination: route.destination,
    gateway: route.gateway,
    device: route.device,
    metric: route.metric,
    source: route.source,
    scope: text(row, 'scope'),
    type: route.type,
    flags: texts(row, 'flags'),
  }))
}

/** Only IPv6 routes have a preference (RFC 4191); only theirs and their next hops' addresses hold colons. */
const familyOfRoute = (row: Json): Family =>
  'pref' in row || (text(row, 'dst') ?? '').includes(':') || (text(row, 'gateway') ?? '').includes(':') ? 6 : 4

const ACTIONS: ReadonlySet<string> = new Set(['unreachable', 'prohibit', 'blackhole'])
const NOT_SELECTORS: ReadonlySet<string> = new Set([
  ...['priority', 'table', 'action', 'protocol', 'srclen', 'dstlen', 'not', 'suppress_prefixlength'],
])

function parseRule(row: Json, family: Family): RuleState {
  const selector = Object.entries(row).flatMap(([name, value]): [string, string][] => {
    if (NOT_SELECTORS.has(name) || value === 'all' || value === null) return []
    const length = name === 'src' || name === 'dst' ? number(row, `${name}len`) : null
    return [[name, length === null ? `${value}` : `${value}/${length}`]]
  })
  const action = text(row, 'action')
  return {
    family,
    priority: number(row, 'priority') ?? 0,
    selector: Object.fromEntries(selector),
    table: text(row, 'table'),
    action: action !== null && ACTIONS.has(action) ? action : null,
  }
}

const neighbourState = ({ address, device, state, mac }: NeighbourState): NeighbourState => ({
  ...{ address, device, state, mac },
})

function parseFdb(row: Json): readonly FdbState[] {
  const mac = text(row, 'mac')
  const device = text(row, 'ifname')
  if (mac === null || device === null) return []
  return [{ mac, device, destination: text(row, 'dst'), permanent: text(row, 'state') === 'permanent' }]
}

/** "/proc/sys/net/ipv4/ip_forward:1" */
function parseSysctls(lines: string): Record<string, string> {
  const pairs = lines.split('\n').flatMap((line): [string, string][] => {
    const match = /^\/proc\/sys\/net\/([^:]+(?::[^:/]+)*):(.*)$/.exec(line)
    return match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']]
  })
  return Object.fromEntries(pairs)
}
