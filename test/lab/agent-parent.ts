/** Starts an agent, tells its process id, and waits to be killed. Arguments: the namespace's path, the agent's file. */
import { execFileSync } from 'node:child_process'
import { agentIn } from '../../lib/agent/client.ts'

const [path = '', file = ''] = process.argv.slice(2)
await agentIn(path, file).ask('readLinks')
const children = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
process.send?.(Number.parseInt(children.split('\n').find((line) => line.includes(path)) ?? '', 10))
setInterval(() => {}, 1000)
