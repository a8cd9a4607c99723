/** The whole fault catalogue. What its entries draw is drawn from the seed: the same seed makes the same catalogue. */
import { random } from '../../lab/icmp-bed.ts'
import { api, services } from './cluster.ts'
import type { Entry, FaultClass } from './entry.ts'
import { firewall, podFirewall } from './firewall.ts'
import { known } from './known.ts'
import { mtu } from './mtu.ts'
import { otherNodes, underlay } from './network.ts'
import { loss, routes } from './routes.ts'

const CLASSES: readonly FaultClass[] = [
  firewall,
  podFirewall,
  routes,
  loss,
  underlay,
  otherNodes,
  services,
  api,
  mtu,
  () => known,
]

export function catalogue(seed: number): readonly Entry[] {
  const entries = CLASSES.flatMap((make, index) => make(random(seed + index)))
  const keys = entries.map(keyOf)
  const twice = keys.find((key, index) => keys.indexOf(key) !== index)
  if (twice) throw new Error(`the catalogue holds "${twice}" twice`)
  return entries
}

/** Cause and place: what makes an entry another one. */
export const keyOf = ({ class: kind, place, name }: Entry): string => `${kind}, ${place}: ${name}`

/** The seed of a run: E2E_SEED, else a new one. */
export function seedOf(env: NodeJS.ProcessEnv): number {
  const { E2E_SEED } = env
  return E2E_SEED === undefined ? Date.now() % 1_000_000 : Number(E2E_SEED)
}

/** The entries of each class; a class of the catalogue is what stands before the place. */
export function classesOf(entries: readonly Entry[]): readonly (readonly [Entry, ...Entry[]])[] {
  const classes = new Map<string, [Entry, ...Entry[]]>()
  for (const entry of entries) {
    const known = classes.get(entry.class)
    if (known) known.push(entry)
    else classes.set(entry.class, [entry])
  }
  return [...classes.values()]
}
