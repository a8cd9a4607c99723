/** Background traffic for tests: so many TCP connections a second between namespaces, opened, used for a few bytes and closed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROCESS = fileURLToPath(new URL('traffic-process.ts', import.meta.url))

export interface Talk {
  /** Paths of namespaces. */
  readonly from: string
  readonly to: string
  /** Addresses in the second namespace, asked in turns. */
  readonly addresses: readonly string[]
  readonly perSecond: number
}

export interface Traffic {
  /** Connections that were answered until now. */
  answered(): number
  stop(): void
}

/** Starts to serve and to ask. Both processes end with this one. */
export async function startTraffic({ from, to, addresses, perSecond }: Talk, port: number): Promise<Traffic> {
  const start = (path: string, ...words: string[]) =>
    spawn('nsenter', [`--net=${path}`, process.execPath, '--import', 'tsx', PROCESS, ...words], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
  const server = start(to, 'serve', String(port))
  await once(server.stdout, 'data')
  const asker = start(from, 'ask', String(port), String(perSecond), ...addresses)
  let answered = 0
  asker.stdout.on('data', (said) => {
    answered = Number(String(said).trim().split('\n').at(-1))
  })
  await once(asker.stdout, 'data')
  return {
    answered: () => answered,
    stop() {
      for (const child of [asker, server]) child.kill('SIGKILL')
    },
  }
}
