/**
 * A process that lives in one network namespace and answers what another process asks of it: the node's side of a pod's
 * path, or the other pod's. Argument: the namespace's path. Started by client.ts; ends with the process that started it.
 */
import { enterNamespace } from '../netns/index.ts'
import { TASKS, type TaskReply, type TaskRequest } from './tasks.ts'

process.once('disconnect', () => process.exit(0))
const entering = enterNamespace(process.argv[2] ?? '')
// each request tells why
entering.catch(() => undefined)

process.on('message', async (request: TaskRequest) => {
  process.send?.(await answer(request))
})

async function answer({ id, name, args }: TaskRequest): Promise<TaskReply> {
  try {
    await entering
    const task = TASKS[name] as (...args: readonly unknown[]) => Promise<unknown>
    return { id, value: await task(...args) }
  } catch (error) {
    return { id, error: String((error as Error)?.message ?? error) }
  }
}
