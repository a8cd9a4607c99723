/** What an interface leaves to its hardware, read with `ethtool -k`. */
import { execFile } from 'node:child_process'

/** Names of the features that are on; null: there is no ethtool, or no such interface. */
export function featuresOf(device: string): Promise<ReadonlySet<string> | null> {
  return new Promise((resolve) => {
    execFile('ethtool', ['-k', device], { timeout: 3000 }, (error, stdout) =>
      resolve(error ? null : parseFeatures(stdout)),
    )
  })
}

/** "tx-checksum-ip-generic: on [fixed]" */
export const parseFeatures = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^\s*([\w-]+): on\b/gm)].map(([, name]) => name as string))
