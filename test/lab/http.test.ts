import { createServer as createHttp } from 'node:http'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import { createServer as createTcp, type Server, type Socket } from 'node:net'
import { createServer as createTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { askHttps, askHttpsRepeatedly, type HttpsOptions } from '../../lib/probe/http.ts'
import { judgeClock } from '../../lib/probe/state/clock.ts'
import { attemptsFor } from '../../lib/probe/tcp.ts'
import { httpsAnswer } from '../../lib/question/answers.ts'
import type { Target } from '../../lib/types.ts'
import { authority, type Leaf } from '../bed/certificates.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { addChain, flushRules, type Pair, pair } from '../bed/pair.ts'

const NAME = 'kubernetes.default.svc'
const ours = authority('our CA')
const foreign = authority('foreign CA')
/** Same subject as ours, another key: what a rebuilt cluster on the same addresses looks like. */
const impostor = authority('our CA')

let bed: Pair
let good: Leaf
let nextPort = 9000
const open: Socket[] = []
const servers: Server[] = []
const seen: { servername: string | false; headers: string[] }[] = []

const options = (rest: Partial<HttpsOptions> = {}): HttpsOptions => ({
  path: '/livez',
  ca: ours.ca,
  serverName: NAME,
  insecure: false,
  budgetMs: 700,
  ...rest,
})
const target = (port: number, address = '198.18.0.2'): Target => ({
  role: 'the API server',
  name: 'kubernetes',
  address,
  family: address.includes(':') ? 6 : 4,
  protocol: 'tcp',
  port,
})

/** Opens a server in the server's namespace, then comes back. */
async function serve(server: Server): Promise<number> {
  const port = nextPort++
  await enterNamespace(netnsPath(bed.server))
  server.on('connection', (socket: Socket) => open.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(port, '::', resolve))
  servers.push(server)
  await enterNamespace(netnsPath(bed.client))
  return port
}

const https = (leaf: Leaf, status = 200, rest: ServerOptions = {}) => {
  const server = createHttps({ ...leaf, ...rest }, (request, response) => {
    seen.push({
      servername: (request.socket as unknown as { servername: string | false }).servername,
      headers: request.rawHeaders,
    })
    response.writeHead(status).end('ok')
  })
  return serve(server)
}
const ask = async (port: number, rest: Partial<HttpsOptions> = {}) => {
  const [result] = await askHttps([target(port)], options(rest))
  return result
}

beforeAll(async () => {
  bed = pair('pb-http')
  good = ours.issue({ altNames: `DNS:${NAME},IP:198.18.0.2,IP:2001:db8::2` })
})
afterAll(async () => {
  for (const socket of open) socket.destroy()
  for (const server of servers) server.close()
  for (const one of [ours, foreign, impostor]) one.remove()
  await bed.remove()
})

/** A server whose clock is `ahead` ms ahead of ours. */
const lying = (leaf: Leaf, ahead: number) =>
  serve(
    createHttps({ ...leaf }, (_, response) => {
      response.setHeader('date', new Date(Date.now() + ahead).toUTCString())
      response.end('ok')
    }),
  )

describe('a server whose clock differs from ours', () => {
  const DAY = 86_400_000
  const openssl = (at: number) => new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')
  const leafOf = (from: number, to: number) =>
    ours.issue({ altNames: `DNS:${NAME}`, from: openssl(Date.now() + from), to: openssl(Date.now() + to) })
  const clocks = async (ahead: number) => {
    const result = await ask(await lying(good, ahead))
    return judgeClock(result?.clock ? [{ server: '198.18.0.2', clock: result.clock }] : [])
  }

  it.each([
    [0, { is: 'fine' }],
    [-3000, { is: 'fine' }],
    [20_000, { is: 'doubtful', code: 'CLOCK_SKEW', detail: expect.stringContaining('behind') }],
    [-20_000, { is: 'doubtful', code: 'CLOCK_SKEW', detail: expect.stringContaining('ahead') }],
    [300_000, { is: 'broken', code: 'CLOCK_SKEW', detail: expect.stringContaining('5 min behind') }],
  ])('by %i ms', async (ahead, said) => {
    expect(await clocks(ahead)).toMatchObject(said)
  })

  it('is the cause where its certificate is valid by its own clock alone', async () => {
    const early = await ask(await lying(leafOf(DAY, 9 * DAY), 3 * DAY))
    expect(early).toMatchObject({ code: 'TLS_CERT_NOT_YET_VALID' })
    expect(early && httpsAnswer(early)).toMatchObject({
      code: 'CLOCK_SKEW',
      said: expect.stringContaining('72 h behind'),
    })
    const late = await ask(await lying(leafOf(-9 * DAY, -DAY), -3 * DAY))
    expect(late).toMatchObject({ code: 'TLS_CERT_EXPIRED' })
    expect(late && httpsAnswer(late)).toMatchObject({ code: 'CLOCK_SKEW', said: expect.stringContaining('72 h ahead') })
  })

  it('is not the cause where the certificate has expired by both', async () => {
    const result = await ask(await lying(leafOf(-9 * DAY, -5 * DAY), -DAY))
    expect(result && httpsAnswer(result)).toMatchObject({ code: 'TLS_CERT_EXPIRED' })
  })
})

describe('a sound API server', () => {
  it('is verified by name over both families, although it is asked by address', async () => {
    const port = await https(good)
    const results = await askHttps([target(port), target(port, '2001:db8::2')], options())
    for (const result of results) {
      expect(result).toMatchObject({ tcp: 'connected', tls: 'verified', code: null, detail: null, status: 200 })
      expect(Object.values(result.phases).every((ms) => typeof ms === 'number' && ms > 0)).toBe(true)
      expect(result.certificate).toMatchObject({
        subject: 'CN=kube-apiserver',
        issuer: 'CN=our CA',
        validTo: '2049-01-01T00:00:00.000Z',
        altNames: [NAME, '198.18.0.2', '2001:db8::2'],
      })
    }
    expect(seen.at(-1)?.servername).toBe(NAME)
  })

  it('gets no credentials and no more headers than it needs', async () => {
    const port = await https(good)
    await ask(port)
    expect(seen.at(-1)?.headers.filter((_, index) => index % 2 === 0)).toEqual(['host', 'accept', 'connection'])
  })

  it('is verified by address, without SNI, when the name is an address', async () => {
    const port = await https(good)
    expect(await ask(port, { serverName: '198.18.0.2' })).toMatchObject({ tls: 'verified', code: null })
    expect(seen.at(-1)?.servername).toBe(false)
    expect(await ask(port, { serverName: '2001:db8::2' })).toMatchObject({ tls: 'verified', code: null })
    expect(await ask(port, { serverName: '198.18.0.3' })).toMatchObject({ code: 'TLS_NAME_MISMATCH' })
  })

  it.each([401, 403, 429])('proves the path with HTTP %i', async (status) => {
    expect(await ask(await https(good, status))).toMatchObject({ code: null, status })
  })

  it.each([500, 503, 404])('is not well with HTTP %i', async (status) => {
    expect(await ask(await https(good, status))).toMatchObject({ tls: 'verified', code: 'HTTP_STATUS', status })
  })

  it('proves the path but not TLS when no CA is known', async () => {
    const found = await ask(await https(good), { ca: null })
    expect(found).toMatchObject({ tls: 'unverified', code: null, status: 200 })
    expect(found?.detail).toContain('No CA')
  })

  it('is not judged when the configuration says insecure', async () => {
    const expired = foreign.issue({ altNames: 'DNS:elsewhere', to: '20210101000000Z' })
    expect(await ask(await https(expired), { insecure: true })).toMatchObject({
      tls: 'skipped',
      code: null,
      status: 200,
    })
  })

  it('is found among the certificates of a bundle', async () => {
    expect(await ask(await https(good), { ca: foreign.ca + ours.ca })).toMatchObject({ tls: 'verified' })
  })
})

describe('a certificate problem has its own code, and the path is proven all the same', () => {
  it.each([
    ['expired', () => ours.issue({ altNames: `DNS:${NAME}`, to: '20210101000000Z' }), 'TLS_CERT_EXPIRED', '2021'],
    ['early', () => ours.issue({ altNames: `DNS:${NAME}`, from: '20480101000000Z' }), 'TLS_CERT_NOT_YET_VALID', '2048'],
    ['another name', () => ours.issue({ altNames: 'DNS:elsewhere' }), 'TLS_NAME_MISMATCH', 'elsewhere'],
    ['a foreign CA', () => foreign.issue({ altNames: `DNS:${NAME}` }), 'TLS_UNTRUSTED', 'foreign CA'],
    ['an impostor CA', () => impostor.issue({ altNames: `DNS:${NAME}` }), 'TLS_UNTRUSTED', 'our CA'],
  ])('%s', async (_name, leaf, code, mentions) => {
    const found = await ask(await https(leaf()))
    expect(found).toMatchObject({ tcp: 'connected', tls: 'failed', code, status: 200 })
    expect(found?.detail).toContain(mentions)
  })

  it('says expired even when no CA is known', async () => {
    const expired = ours.issue({ altNames: `DNS:${NAME}`, to: '20210101000000Z' })
    expect(await ask(await https(expired), { ca: null })).toMatchObject({ code: 'TLS_CERT_EXPIRED' })
  })

  it('outranks a bad status', async () => {
    const found = await ask(await https(foreign.issue({ altNames: `DNS:${NAME}` }), 500))
    expect(found).toMatchObject({ code: 'TLS_UNTRUSTED', status: 500 })
  })
})

describe('peers that speak something else, or nothing', () => {
  it('TLS_STALLED: accepts and never speaks', async () => {
    const found = await ask(await serve(createTcp()))
    expect(found).toMatchObject({ tcp: 'connected', tls: 'failed', code: 'TLS_STALLED', status: null })
  })

  it('TLS_STALLED: a path that loses the ClientHello and nothing else', async () => {
    const port = await https(good)
    addChain(bed.server, 'inet', 'filter hook input priority 0', `tcp dport ${port} meta length > 200 drop`)
    try {
      expect(await ask(port)).toMatchObject({ tcp: 'connected', code: 'TLS_STALLED' })
    } finally {
      flushRules(bed.server)
    }
  })

  it.each([
    ['plain http', () => createHttp((_, response) => response.end('hello'))],
    ['garbage', () => createTcp((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'))],
    ['closes at once', () => createTcp((socket) => socket.end())],
    ['resets', () => createTcp((socket) => socket.resetAndDestroy())],
    [
      'an old protocol only',
      () => createTls({ ...good, maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ],
  ])('TLS_HANDSHAKE_FAILED: %s', async (_name, server) => {
    const found = await ask(await serve(server()))
    expect(found).toMatchObject({ tcp: 'connected', tls: 'failed', code: 'TLS_HANDSHAKE_FAILED', status: null })
    expect(found?.detail).toMatch(/^TCP connected, the TLS handshake failed: .+\.$/)
  })

  it.each([
    ['never answers the request', (socket: Socket) => socket.resume()],
    ['closes instead of answering', (socket: Socket) => socket.once('data', () => socket.end())],
    ['answers something that is not HTTP', (socket: Socket) => socket.once('data', () => socket.end('what?\r\n\r\n'))],
  ])('HTTP_NO_ANSWER: %s', async (_name, behave) => {
    const found = await ask(await serve(createTls(good, behave)))
    expect(found).toMatchObject({ tls: 'verified', code: 'HTTP_NO_ANSWER', status: null })
  })

  it('leaves TCP trouble to the TCP state', async () => {
    expect(await ask(9999)).toMatchObject({
      tcp: 'refused',
      errno: 'ECONNREFUSED',
      tls: 'none',
      code: null,
      status: null,
    })
  })

  it('refuses a CA bundle that holds no certificate', async () => {
    await expect(ask(9999, { ca: 'nothing of the kind' })).rejects.toThrow('no readable PEM certificate')
  })
})

describe('askHttpsRepeatedly', () => {
  it('meets the one stalled server of three behind an address', async () => {
    const ports = [await https(good), await https(good), await serve(createTcp())]
    const map = ports.map((port, index) => `${index} : ${port}`).join(', ')
    ip(`-n ${bed.client} route add 203.0.113.0/24 via 198.18.0.2`)
    const rule = `ip daddr 203.0.113.1 tcp dport 443 dnat to 198.18.0.2:numgen random mod 3 map { ${map} }`
    addChain(bed.client, 'ip', 'nat hook output priority -100', rule)
    const results = await askHttpsRepeatedly(target(443, '203.0.113.1'), attemptsFor(3), options())
    expect(results).toHaveLength(attemptsFor(3))
    const codes = new Set(results.map(({ code }) => code))
    expect(codes).toEqual(new Set([null, 'TLS_STALLED']))
  })
})
