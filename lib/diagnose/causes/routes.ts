/** What to do about a route. */
import type { NamespaceState } from '../../state.ts'
import { refusing } from '../refusing.ts'

/** What to do about the kernel's refusal. `said`: its words, with the entry in brackets where it tells. */
export function routeRemedy(
  said: string,
  where: string,
  state: NamespaceState | undefined,
  packet: Parameters<typeof refusing>[1],
): string {
  const ip = packet.family === 6 ? 'ip -6' : 'ip'
  const told = /\(((?:unreachable|prohibit|blackhole) [^)]*)\)/.exec(said)?.[1]
  const remove = refusing(state, packet)?.remove ?? (told ? `${ip} route del ${told}` : null)
  if (remove) return `Delete it in ${where}: \`${remove}\`; find out who set it, or it comes back.`
  return `Look in ${where} at \`${ip} route show table all\` and \`${ip} rule\`; routes to other nodes' pods are set by the CNI agent: restart it on this node.`
}
