/**
 * Every node that was asked gave a whole report. Silence is never sound: a node without a report makes the run inconclusive.
 * Catches: a node that cannot pull the image, takes no pod, is not Ready, ran out of time, or whose run broke off.
 * Sends: nothing; what is sent on each node, the tables of its own checks say.
 */
import { clusterCheck, once } from '../../lib/cluster/check.ts'
import { nodesAnswer } from '../../lib/merge/index.ts'

clusterCheck('every node answers', once, ({ part, must }) => {
  const answered = nodesAnswer(part)
  must(answered, answered.hint)
})
