/** Virtual services of IPVS, from /proc/net/ip_vs (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show). Pure. */
import { canonicalAddress } from '../../packet/address.ts'
import type { Family } from '../../types.ts'
import { protocolOf } from './protocol.ts'
import type { Backend, ProxyRules, ServiceRule } from './rules.ts'

/**
 * "TCP  C613000A:0035 rr" begins a virtual service, "  -> C6120103:0035      Masq    1      0          0" is one of its
 * servers; one of weight 0 gets no new connections (kube-proxy lets it drain).
 */
export function parseIpvs(text: string): readonly ProxyRules[] {
  const rules: { rule: ServiceRule & { backends: Backend[] }; family: Family }[] = []
  for (const line of text.split('\n')) {
    const [, kind, address, port, weight] = LINE.exec(line) ?? []
    if (kind === undefined || address === undefined) continue
    const at = { address: readAddress(address), port: Number.parseInt(port ?? '', 16) }
    if (kind.trim() !== '->') {
      const family = address.startsWith('[') ? 6 : 4
      rules.push({ rule: { ...at, protocol: protocolOf(kind), backends: [] }, family })
    } else if (weight !== '0') rules.at(-1)?.rule.backends.push(at)
  }
  return ([4, 6] as const).flatMap((family) => {
    const own = rules.filter((one) => one.family === family).map(({ rule }) => rule)
    return own.length === 0 ? [] : [{ family, mode: 'ipvs' as const, rules: own, nodePortAddresses: null }]
  })
}

const LINE = /^(TCP|UDP|SCTP| {2}->) +(\[[^\]]+\]|[0-9A-F]{8}):([0-9A-F]{4})\b(?: +[A-Z]\w+ +(\d+) )?/i

function readAddress(text: string): string {
  if (text.startsWith('[')) return canonicalAddress(text.slice(1, -1))
  return (text.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)).join('.')
}
