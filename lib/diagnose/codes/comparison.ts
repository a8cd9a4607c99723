/** What only the comparison with an earlier run, or a waiver, can say. Fails the run where GATE=regressions. Part of CODES. */
import { type CodeText, fail } from './text.ts'

export const COMPARED = {
  PATH_MTU_REDUCED: fail(
    'The path carries smaller packets than in the earlier run.',
    "Compare the MTU in the CNI configuration and of the nodes' interfaces (`ip link`) with what they were: a new tunnel or encryption takes its bytes off. If it is meant, make a new baseline.",
  ),
  LOSS_HIGHER: fail(
    'More echo requests are lost than in the earlier run, by more than chance allows.',
    'See whether one interface or one target loses: `ip -s link` on both nodes, the checks of loss in this report. If it is meant, make a new baseline.',
  ),
  RTT_HIGHER: fail(
    'Every echo takes longer than in the earlier run, by more than noise and load explain: the way has become longer, or queues on it are full.',
    'Compare the way: `tracepath` between the nodes, where the pods run (another zone?), tunnels and encryption that are new. If it is meant, make a new baseline.',
  ),
  DNS_SLOWER: fail(
    'Every DNS answer takes longer than in the earlier run, by more than noise and load explain.',
    "See the cluster DNS: `kubectl -n kube-system top pods`, its number of replicas, its Corefile's forward, and the node's CPU. If it is meant, make a new baseline.",
  ),
  WAIVER_EXPIRED: fail(
    'A waiver in KNOWN_ISSUES has run out: what it waived is a failure again.',
    'Mend what it speaks of and remove the entry, or decide anew and give it a new last day.',
  ),
} satisfies Readonly<Record<string, CodeText>>
