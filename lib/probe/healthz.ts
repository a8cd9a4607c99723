/** Health of a daemon on this machine: plain http on loopback, one GET. */
import { get } from 'node:http'

export interface Health {
  /** silent: the connection was taken, and nothing came back; refused: nobody listens. */
  readonly state: 'well' | 'ill' | 'silent' | 'refused'
  /** "http://127.0.0.1:10248/healthz" */
  readonly url: string
  readonly status: number | null
  /** The answer's first line, or the error's code. */
  readonly said: string
}

/** A daemon on a busy machine has its time. */
const TIMEOUT_MS = 5000
const LOOPBACK = ['127.0.0.1', '[::1]'] as const

/** Asks on both loopback addresses; what answers wins, and who took the connection before who refused it. */
export async function askHealth(port: number, path: string): Promise<Health> {
  const answers = await Promise.all(LOOPBACK.map((host) => askOnce(`http://${host}:${port}${path}`)))
  const rank = ({ state }: Health) => ['well', 'ill', 'silent', 'refused'].indexOf(state)
  return answers.toSorted((a, b) => rank(a) - rank(b))[0] as Health
}

/** Asks one URL; its host is an address. */
export function askOnce(url: string, timeoutMs = TIMEOUT_MS): Promise<Health> {
  return new Promise((resolve) => {
    const end = (state: Health['state'], status: number | null, said: string) => {
      clearTimeout(timer)
      request.destroy()
      resolve({ state, url, status, said })
    }
    let connected = false
    const request = get(url, { agent: false }, (response) => {
      const status = response.statusCode ?? 0
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body = (body + text).slice(0, 500)
      })
      response.on('error', () => undefined)
      response.on('end', () => end(status === 200 ? 'well' : 'ill', status, body.split('\n')[0] ?? ''))
    })
    request.on('socket', (socket) => socket.once('connect', () => (connected = true)))
    // an aborted answer of a port that speaks something else is an answer of somebody who listens
    request.on('error', (error: NodeJS.ErrnoException) =>
      end(connected ? 'ill' : 'refused', null, error.code ?? error.message),
    )
    const timer = setTimeout(
      () => end(connected ? 'silent' : 'refused', null, `no answer in ${timeoutMs / 1000} s`),
      timeoutMs,
    )
  })
}
