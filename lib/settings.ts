/** The settings of a run. The only room that reads process.env. */
import { config } from 'dotenv'
import { type ParsedEveryNode, parseEveryNode } from './settings/every-node.ts'
import { type ParsedSettings, parseSettings } from './settings/parse.ts'

export * from './settings/every-node.ts'
export * from './settings/parse.ts'
export { closest, editDistance } from './settings/similar.ts'
export { SETTINGS, type Setting, type SettingName } from './settings/table.ts'

/** Settings of the environment and of .env in the working directory; what the environment sets wins. */
export function readSettings(): ParsedSettings {
  const { env, error } = environment()
  const parsed = parseSettings(env)
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code === undefined || code === 'ENOENT') return parsed
  const unread = {
    variable: '.env',
    value: '',
    problem: `it is there, but cannot be read (${code})`,
    next: 'Make it readable, or remove it.',
  }
  return { ...parsed, problems: [unread, ...parsed.problems] }
}

/** The same of what only a run over all nodes reads. */
export const readEveryNodeSettings = (): ParsedEveryNode => parseEveryNode(environment().env)

function environment(): { env: NodeJS.ProcessEnv; error: Error | undefined } {
  const env = { ...process.env }
  const { error } = config({ quiet: true, processEnv: env as Record<string, string> })
  return { env, error }
}

/** The environment for a program that the user's kubeconfig names (a credential plug-in), with additions. */
export function environmentWith(additions: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...additions }
}
