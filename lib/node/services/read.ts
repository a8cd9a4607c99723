/**
 * Reads what a node is set to do with services: kube-proxy's rules in nftables, iptables (either back end) or IPVS, and what may
 * have replaced it. Reading never writes: the old iptables back end makes a table by listing it, so it is asked only for those
 * that the kernel says are there.
 */
import { missingCapabilities } from '../../netns/capabilities.ts'
import type { Family, Outcome } from '../../types.ts'
import { CHAINS, iptablesRules } from './iptables.ts'
import { parseIpvs } from './ipvs.ts'
import { decodeNft, nftRules, parseChains, parseNodePortAddresses, parseServiceIps, type ServiceIp } from './nft.ts'
import type { NodeServices, ProxyRules } from './rules.ts'
import { shell } from './shell.ts'

const BUDGET_MS = 1500
/** Between the parts of the output; no program prints it. */
const MARK = '--- next part ---'
/** Bytes of map service-ips up to which the whole table is listed at once (some hundred services): one process, not one a chain. */
const SMALL_MAP = 40_000

const nft = (family: 'ip' | 'ip6') =>
  `m=$(nft -j list map ${family} kube-proxy service-ips 2>/dev/null); found=$found$m
if [ -n "$m" ] && [ \${#m} -lt ${SMALL_MAP} ]; then nft -j list table ${family} kube-proxy; else printf %s "$m"; fi; echo; echo '${MARK}'`

/** iptables-save may be either back end's name; its version says which. */
const iptables = (family: 'ip' | 'ip6') => `t=${family}tables
if grep -qsx nat /proc/self/net/${family}_tables_names; then
  l=$(command -v $t-legacy-save || command -v $t-save) && $l -t nat | grep -E '${CHAINS}'
fi
n=$(command -v $t-nft-save) || case "$($t-save -V 2>/dev/null)" in *nf_tables*) n=$t-save;; esac
[ -z "$n" ] || $n -t nat 2>/dev/null | grep -E '${CHAINS}'
echo '${MARK}'`

const SCRIPT = `found=
${nft('ip')}
${nft('ip6')}
cut -s -d: -f1 /proc/self/net/dev; echo '${MARK}'
cat /proc/self/net/ip_vs 2>/dev/null; echo '${MARK}'
[ -z "$found" ] || exit 0
${iptables('ip')}
${iptables('ip6')}
`

/**
 * Rules for the services at `addresses`, of the namespace at `path` or of the calling thread's own (null).
 * Codes: TOOL_FAILED (budget 1.5 s), PERMISSION_MISSING: without CAP_NET_ADMIN the tools print nothing, as where there are no rules.
 */
export async function readServices(
  path: string | null,
  addresses: ReadonlySet<string>,
): Promise<Outcome<NodeServices>> {
  const lacking = missingCapabilities().find(({ name }) => name === 'CAP_NET_ADMIN')
  if (lacking) {
    const detail = `this process lacks ${lacking.name}, needed for ${lacking.for}`
    return { ok: false, code: 'PERMISSION_MISSING', detail, evidence: [] }
  }
  const output = await shell(path, SCRIPT, [], BUDGET_MS)
  if (!output.ok) return output
  const [v4 = '', v6 = '', devices = '', ipvs = '', ipt4 = '', ipt6 = ''] = output.value.split(`${MARK}\n`)
  const nftables = await Promise.all([readNft(path, 4, v4, addresses), readNft(path, 6, v6, addresses)])
  const lines = { 4: ipt4.split('\n'), 6: ipt6.split('\n') }
  const names = devices.split('\n').map((name) => name.trim())
  const proxies = [
    ...nftables.map((one) => one?.rules ?? null),
    iptablesRules(4, lines[4], addresses),
    iptablesRules(6, lines[6], addresses),
    ...(names.includes(IPVS_DEVICE) ? parseIpvs(ipvs) : []),
  ].filter((one): one is ProxyRules => one !== null)
  const counts = proxies.map(({ family, mode, rules }) => {
    if (mode === 'nftables') return { family, mode, rules: nftables[family === 4 ? 0 : 1]?.entries ?? 0 }
    if (mode === 'ipvs') return { family, mode, rules: rules.length }
    return { family, mode, rules: lines[family].filter((line) => line.startsWith('-A ')).length }
  })
  return { ok: true, value: { proxies, replacement: replacementAmong(names), counts }, evidence: [] }
}

/** Made by kube-proxy in IPVS mode; others use IPVS too (pkg/proxy/ipvs/proxier.go). */
const IPVS_DEVICE = 'kube-ipvs0'

/** Devices of what can take kube-proxy's place. Each of them also works beside it. */
const REPLACEMENTS: readonly (readonly [RegExp, string])[] = [
  [/^cilium_(?:host|net)$/, 'Cilium'],
  [/^bpf(?:in|out)\.cali$/, 'Calico with eBPF'],
  [/^ovn-k8s-mp\d+$/, 'OVN-Kubernetes'],
  [/^ovn0$/, 'Kube-OVN'],
  [/^antrea-gw0$/, 'Antrea'],
  [/^kube-dummy-if$/, 'kube-router'],
]

/** "Cilium (device cilium_host)". Pure. */
export function replacementAmong(devices: readonly string[]): string | null {
  for (const [pattern, name] of REPLACEMENTS) {
    const device = devices.find((one) => pattern.test(one))
    if (device !== undefined) return `${name} (device ${device})`
  }
  return null
}

/** A table that was listed as a whole, or the map alone: then the chains of the services in question are asked for. */
async function readNft(
  path: string | null,
  family: Family,
  output: string,
  addresses: ReadonlySet<string>,
): Promise<{ readonly rules: ProxyRules | null; readonly entries: number } | null> {
  const items = decodeNft(output)
  if (items === null) return null
  const all = parseServiceIps(items)
  const ips = all.filter(({ address }) => addresses.has(address))
  const whole = parseChains(items)
  const chains = whole.size > 0 || ips.length === 0 ? whole : parseChains(await listChains(path, family, ips))
  return { rules: nftRules(family, ips, chains, parseNodePortAddresses(items)), entries: all.length }
}

async function listChains(path: string | null, family: Family, ips: readonly ServiceIp[]) {
  const names = [...new Set(ips.map(({ chain }) => chain))]
  const table = family === 4 ? 'ip' : 'ip6'
  const script = `for c; do nft -j list chain ${table} kube-proxy "$c" 2>/dev/null; echo; done`
  const output = await shell(path, script, names, BUDGET_MS)
  return output.ok ? output.value.split('\n').flatMap((line) => decodeNft(line) ?? []) : []
}

/**
 * Whether kube-proxy listens where it answers for its health (--healthz-bind-address, TCP 10256). What replaces it may do the
 * same: where the process can be seen, its name tells (k3s and others hold kube-proxy in a process of another name).
 */
export async function proxyListens(path: string | null): Promise<boolean> {
  const output = await shell(path, "ss -Hltnp 'sport = :10256'", [], BUDGET_MS)
  return output.ok && output.value.trim() !== '' && !/"(?:cilium|calico)/.test(output.value)
}
