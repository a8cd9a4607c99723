/** The settings of a run. The only room that reads process.env. */
import { config } from 'dotenv'
import { type ParsedSettings, parseSettings } from './settings/parse.ts'

export * from './settings/parse.ts'
export { closest, editDistance } from './settings/similar.ts'
export { SETTINGS, type Setting, type SettingName } from './settings/table.ts'

/** Settings of the environment and of .env in the working directory; what the environment sets wins. */
export function readSettings(): ParsedSettings {
  const env = { ...process.env }
  config({ quiet: true, processEnv: env as Record<string, string> })
  return parseSettings(env)
}

/** The environment for a program that the user's kubeconfig names (a credential plug-in), with additions. */
export function environmentWith(additions: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...additions }
}
