/** Whether a command line names the checks over all nodes, and what else beside them. Pure. */

const CLUSTER = /(^|[/\\])checks[/\\]cluster([/\\]|$)/
const ANY = /(^|[/\\])checks[/\\]/

/** `beside`: other checks that are named as well; they cannot be asked in the same run. */
export function namesCluster(argv: readonly string[]): {
  readonly everyNode: boolean
  readonly beside: readonly string[]
} {
  const everyNode = argv.some((argument) => CLUSTER.test(argument))
  return { everyNode, beside: everyNode ? argv.filter((one) => ANY.test(one) && !CLUSTER.test(one)) : [] }
}
