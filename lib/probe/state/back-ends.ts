/** Rules of Kubernetes in both back ends of iptables at once: packets meet both, and whoever writes sees one. Pure. */
import type { ChainName } from '../../node/netfilter.ts'
import { fine, listed, type StateVerdict, table } from './verdict.ts'

/** Chains that are only a mark for others (kubernetes/kubernetes, pkg/util/iptables and pkg/kubelet). */
const MARKS: ReadonlySet<string> = new Set(['KUBE-KUBELET-CANARY', 'KUBE-PROXY-CANARY', 'KUBE-IPTABLES-HINT'])

/** Tables that iptables-nft makes. */
const COMPATIBLE: ReadonlySet<string> = new Set(['filter', 'nat', 'mangle', 'raw', 'security'])

const isOurs = ({ name }: ChainName): boolean => /^(?:KUBE-|cali-|CILIUM_|FLANNEL-)/.test(name) && !MARKS.has(name)

/** Names that one writer has, whatever follows: "KUBE-", "cali-". */
const writerOf = ({ name }: ChainName): string => name.split(/[-_]/)[0] ?? name

const servesClusterIPs = ({ table, name }: ChainName): boolean =>
  name === 'KUBE-SERVICES' || (table === 'kube-proxy' && name === 'services')

/**
 * Services served in both (KUBE-SERVICES, or kube-proxy's own nftables table): one of the two is yesterday's, a failure. Any other
 * writer's chains in both: a warning. Code: IPTABLES_MIXED.
 */
export function judgeBackEnds(nft: readonly ChainName[], legacy: readonly ChainName[]): StateVerdict {
  const [inNft, inLegacy] = [nft.filter((chain) => isOurs(chain) && COMPATIBLE.has(chain.table)), legacy.filter(isOurs)]
  const families = ([4, 6] as const).filter((family) => inLegacy.some((chain) => chain.family === family))
  const evidence = table(
    'chains of Kubernetes',
    ['family', 'nft', 'legacy'],
    families.map((family) => [
      `IPv${family}`,
      ...[inNft, inLegacy].map((chains) => tell(chains.filter((chain) => chain.family === family))),
    ]),
  )
  const served = families.filter((family) =>
    [nft, legacy].every((chains) => chains.some((chain) => chain.family === family && servesClusterIPs(chain))),
  )
  const shared = families.filter((family) => {
    const writers = new Set(inNft.filter((chain) => chain.family === family).map(writerOf))
    return inLegacy.some((chain) => chain.family === family && writers.has(writerOf(chain)))
  })
  const [mixed] = served.length > 0 ? [served] : shared.length > 0 ? [shared] : []
  if (!mixed) return fine('no writer’s rules are in both back ends of iptables', evidence)
  const save = mixed[0] === 4 ? 'iptables-legacy' : 'ip6tables-legacy'
  return {
    is: served.length > 0 ? 'broken' : 'doubtful',
    code: 'IPTABLES_MIXED',
    detail: `${served.length > 0 ? 'rules for services are' : 'chains of one writer are'} in both back ends of iptables, nft and legacy (${mixed.map((family) => `IPv${family}`).join(', ')}): ${tell(inLegacy)}`,
    hint: `See both: \`${save}-save\` and \`nft list ruleset\`. Let everything use one back end (\`update-alternatives --display iptables\`), take the other’s rules away (\`${save}-save | grep -vE 'KUBE-|cali-' | ${save}-restore\`), or restart the node.`,
    evidence,
  }
}

const tell = (chains: readonly ChainName[]): string =>
  listed([...new Set(chains.map(({ name }) => name))].sort()) || 'none'
