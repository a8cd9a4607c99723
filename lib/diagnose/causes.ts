/** From where a flow's packets end to why they do: pure. The state must agree with what was seen; else the cause is only likely. */
import type { Station } from '../state.ts'
import type { Evidence } from '../types.ts'
import type { Around, Cause, Draft } from './cause.ts'
import { answerLostInPod, lostAtFirstHop, notSent } from './causes/asking.ts'
import { beyond, targetSilent } from './causes/beyond.ts'
import { answerLostOnNode, lostOnNode, tunnelSendsNothing } from './causes/node.ts'
import { refused, refusedByError } from './causes/refusals.ts'
import { movedEvidence } from './counters.ts'
import { called, wire } from './names.ts'
import type { Branch } from './trace.ts'

/** The cause of a branch that ended. */
export function causeOf(branch: Branch, around: Around): Cause {
  const { more = [], ...draft } = BY_STAGE[branch.stage](branch, around)
  // ICMP errors are rate-limited: that there is one about these packets is enough
  const confidence = branch.followed || branch.stage === 'error' ? draft.confidence : 'likely'
  return {
    ...draft,
    confidence,
    evidence: [...more, ...movedEvidence(branch.observed, branch.flow.sent), seenTable(branch, around)],
  }
}

const BY_STAGE: Record<Branch['stage'], (branch: Branch, around: Around) => Draft> = {
  'not-sent': notSent,
  'first-hop': lostAtFirstHop,
  'on-node': lostOnNode,
  tunnel: tunnelSendsNothing,
  beyond,
  target: targetSilent,
  error: refusedByError,
  'answer-node': answerLostOnNode,
  'answer-pod': answerLostInPod,
  refused,
  answered: unseen,
  unseen,
}

function unseen(branch: Branch, around: Around): Draft {
  const { flow } = branch
  return {
    code: 'LEFT_NODE_UNANSWERED',
    key: `UNSEEN ${flow.target.address}`,
    cause: `${called(flow.target.address, around.names)} does not answer ${wire(flow.target)}; where its packets end could not be watched.`,
    confidence: 'likely',
    remedy: `Watch by hand: \`tcpdump -ni any host ${flow.target.address}\` on the node.`,
    hides: null,
  }
}

/** Where packets and answers of the flow were seen, in their order. */
function seenTable({ flow, destination }: Branch, { names }: Around): Evidence {
  const shown = flow.stations.filter(
    (one) =>
      one.destination === destination ||
      one.source === destination ||
      one.destination === flow.target.address ||
      one.source === flow.target.address ||
      one.kind === 'error',
  )
  const side = { own: 'asking side', node: `node ${names.node}`, target: 'target pod' }
  const row = (one: Station) => [
    side[one.side],
    `${one.outgoing ? 'out by' : 'in by'} ${one.device}`,
    `${one.kind}${one.refusal ? ` (${one.refusal})` : ''}: ${one.source} to ${one.destination}${one.outer ? `, in a tunnel packet to ${one.outer.destination}` : ''}`,
    one.seen.join(', '),
  ]
  return {
    kind: 'table',
    name: `${wire(flow.target)} of ${flow.target.address} asked again ${flow.sent.join(', ')} times: seen`,
    columns: ['where', 'interface', 'packet', 'times'],
    rows: shown.slice(0, 40).map(row),
  }
}
