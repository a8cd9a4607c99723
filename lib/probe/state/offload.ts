/** VXLAN checksums that the kernel gets wrong. Pure. */
import type { NamespaceState } from '../../state.ts'
import { movedBy, type Window } from './pressure.ts'
import { fine, notApplicable, type StateVerdict, table } from './verdict.ts'

/**
 * Kernels before "netfilter: nat: never update the UDP checksum when it's 0" (ea64d8d6c675, Linux 5.7; stable 5.6.13, 5.4.41,
 * 4.19.123, 4.14.181, 4.9.224, 4.4.224) write a checksum into translated VXLAN packets that have none: the receiver drops them.
 */
const FIXED: Readonly<Record<string, number>> = {
  '5.6': 13,
  '5.4': 41,
  '4.19': 123,
  '4.14': 181,
  '4.9': 224,
  '4.4': 224,
}

/**
 * Whether a kernel's release (`uname -r`) is certainly one of those. "5.4.0-150-generic" and "4.18.0-553.el8" are not: their
 * distributions count patches behind the dash, and have taken the change.
 */
export function miscountsVxlan(release: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(release)
  if (!match) return false
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number)
  if (patch === 0 || major > 5 || (major === 5 && minor >= 7)) return false
  const fixed = FIXED[`${major}.${minor}`]
  return fixed === undefined ? major === 5 || minor >= 4 : patch < fixed
}

/** Features of one device, as `ethtool -k` names them, that are on. */
export type OffloadFeatures = Readonly<Record<string, ReadonlySet<string> | null>>

const CHECKSUM = ['tx-checksum-ip-generic', 'tx-udp_tnl-csum-segmentation']
/** Wrong checksums in one window that are no stray packets. */
const SEVERAL = 10

/**
 * A kernel that is known to get it wrong, with the checksum left to the device (features null: not known); or UDP packets with wrong
 * checksums that arrive while the run lasts. Code: VXLAN_CHECKSUM_OFFLOAD.
 */
export function judgeOffload(
  state: NamespaceState,
  release: string,
  features: OffloadFeatures,
  { before, after }: Window,
): StateVerdict {
  const devices = state.links.filter(({ kind }) => kind === 'vxlan').map(({ name }) => name)
  if (devices.length === 0) return notApplicable('a VXLAN device', 'there is none')
  const counted = movedBy(before.snmp, after.snmp, 'Udp.InCsumErrors')
  const evidence = table(
    'VXLAN devices',
    ['device', 'kernel', 'checksum left to the device', 'wrong UDP checksums received'],
    devices.map((name) => [name, release, tell(features[name] ?? null), counted]),
  )
  const offloading = devices.filter((name) => CHECKSUM.some((feature) => features[name]?.has(feature)))
  const suspicious = miscountsVxlan(release) && offloading.length > 0
  if (!suspicious && counted < SEVERAL) return fine(`${devices.join(', ')}: no wrong checksums`, evidence)
  const device = offloading[0] ?? devices[0]
  return {
    is: 'doubtful',
    code: 'VXLAN_CHECKSUM_OFFLOAD',
    detail: suspicious
      ? `Linux ${release} writes wrong checksums into translated VXLAN packets while ${offloading.join(', ')} leaves them to the device`
      : `${counted} UDP packets with a wrong checksum arrived during this run, as a tunnel whose checksums are miscounted sends them`,
    hint: `\`ethtool -K ${device} tx-checksum-ip-generic off\` on every node; it lasts until the device is made anew (Calico: FELIX_FEATUREDETECTOVERRIDE=ChecksumOffloadBroken=true). A newer kernel (5.7, or a stable release of May 2020) mends it.`,
    evidence,
  }
}

const tell = (on: ReadonlySet<string> | null): string =>
  on === null ? 'not looked up' : CHECKSUM.some((feature) => on.has(feature)) ? 'yes' : 'no'
