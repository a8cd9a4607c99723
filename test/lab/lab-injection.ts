/** How the faults of the lab are made and taken back. */
import type { Family } from '../../lib/types.ts'
import { familyOf, linkLength } from '../bed/addresses.ts'
import { inNamespace, nft, run } from '../bed/namespace.ts'
import { ipBatch } from '../bed/underlay.ts'
import type { Lab } from './lab.ts'

/** A change to a lab, and its opposite. */
export interface Injection {
  inject(lab: Lab): void
  undo(lab: Lab): void
}

/** Rules in a table of their own; the hook says where on the path. */
function addRules(namespace: string, family: 'inet' | 'bridge', hook: string, rules: readonly string[]): void {
  nft(namespace, `table ${family} fault {\nchain fault {\ntype filter hook ${hook}\n${rules.join('\n')}\n}\n}`)
}

const deleteRules = (namespace: string, family: 'inet' | 'bridge') => nft(namespace, `delete table ${family} fault`)

type Place = 'node1' | 'node2' | 'router'

const placeOf = (lab: Lab, place: Place): string =>
  place === 'router' ? lab.underlay.router : lab.nodes[place === 'node1' ? 0 : 1].namespace

/** Rules at one place, gone again at undo. */
export function rules(
  place: Place,
  family: 'inet' | 'bridge',
  hook: string,
  make: (lab: Lab) => readonly string[],
): Injection {
  return {
    inject: (lab) => addRules(placeOf(lab, place), family, hook, make(lab)),
    undo: (lab) => deleteRules(placeOf(lab, place), family),
  }
}

const FAMILIES: readonly Family[] = [4, 6]

/** nft statements for packets from the source pod to some addresses, one a family; `rest` ends each. */
export function fromSource(lab: Lab, to: readonly string[], rest = 'drop'): string[] {
  return FAMILIES.flatMap((family) => {
    const set = (list: readonly string[]) => `{ ${list.filter((one) => familyOf(one) === family).join(', ')} }`
    const ip = family === 4 ? 'ip' : 'ip6'
    if (!to.some((one) => familyOf(one) === family)) return []
    return [`${ip} saddr ${set(lab.pods.bbox.addresses)} ${ip} daddr ${set(to)} ${rest}`]
  })
}

/**
 * Packets from the source pod to pods on the other node vanish there. Not on the first node: a packet that is dropped before its
 * conntrack entry is confirmed (net/netfilter/nf_conntrack_core.c) is sent to another backend of a ClusterIP when it is repeated.
 */
export const cutAtTarget = (to: (lab: Lab) => readonly string[]) =>
  rules('node2', 'inet', 'forward priority -10', (lab) => fromSource(lab, to(lab)))

/** The first node forwards nothing, in either family. */
export const noForwarding: Injection = {
  inject: (lab) => setForwarding(lab, 0),
  undo: (lab) => setForwarding(lab, 1),
}

function setForwarding(lab: Lab, value: 0 | 1): void {
  const sysctls = [`net.ipv4.ip_forward=${value}`, `net.ipv6.conf.all.forwarding=${value}`]
  inNamespace(lab.nodes[0].namespace, 'sysctl', '-qw', ...sysctls)
}

/** The first node's bridge has lost its addresses. */
export const noGateways: Injection = {
  inject(lab) {
    changeGateways(lab, 'del')
    // what the kernel heard from the gateway a moment ago would leave its death unproven for half a minute
    run('nsenter', [`--net=${lab.pods.bbox.netns}`, 'ip', 'neigh', 'flush', 'dev', 'eth0'])
  },
  undo: (lab) => changeGateways(lab, 'add'),
}

/** The addresses of the first node's bridge: its pods' default gateways. */
function changeGateways(lab: Lab, verb: 'add' | 'del'): void {
  const base = lab.plan.podSubnetBase(1)
  const gateways = base.map((first) => (familyOf(first) === 4 ? first.replace(/0$/, '1') : `${first}1`))
  ipBatch(
    lab.nodes[0].namespace,
    gateways.map((address) => `addr ${verb} ${address}/${linkLength(address)} dev cni0`),
  )
}

/** Of a hundred packets that come from the first node, about `lost` vanish. */
export const loss = (lost: number, match = '') =>
  rules('node2', 'inet', 'prerouting priority -300', () => [
    `iifname "vx0" ${match} numgen random mod 100 < ${lost} drop`,
  ])

export const ICMP = 'meta l4proto { icmp, ipv6-icmp }'

/** The fault lies in the settings of the run: nothing is changed. */
export const nothing: Injection = { inject: () => undefined, undo: () => undefined }
