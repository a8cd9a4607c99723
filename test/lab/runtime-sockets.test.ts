/** Sockets that are missing, refuse, are silent, or belong to something else: each with its own sentence. */
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { Server as Grpc, ServerCredentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listPods, locatePod } from '../../lib/runtime/index.ts'
import { locateIn, pod, query, recorded, runtimeBed, serveCri } from './runtime-bed.ts'

let bed: Awaited<ReturnType<typeof runtimeBed>>
let good = ''
const paths = { missing: '', refused: '', http: '', silent: '', grpc: '', garbage: '' }
const closers: (() => void)[] = []

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve) => {
    closers.push(() => server.close())
    server.listen(path, resolve)
  })

beforeAll(async () => {
  bed = await runtimeBed('rts')
  for (const name of Object.keys(paths) as (keyof typeof paths)[]) paths[name] = join(bed.dir, `${name}.sock`)
  good = join(bed.dir, 'good.sock')
  const answers = recorded('containerd-1.6')
  pod(answers, 'bbox').pid(bed.a.pid)
  pod(answers, 'bbox').pinned(bed.a.path)
  const cri = await serveCri(answers, good)
  closers.push(() => cri.forceShutdown())

  const bindAndDie = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', bindAndDie, paths.refused])
  await listen(
    createHttp((_, response) => response.writeHead(404).end()),
    paths.http,
  )
  await listen(
    createServer(() => undefined),
    paths.silent,
  )
  await listen(
    createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end('SSH-2.0-OpenSSH_9.2\r\n')
    }),
    paths.garbage,
  )
  const empty = new Grpc()
  await new Promise((resolve) => empty.bindAsync(`unix:${paths.grpc}`, ServerCredentials.createInsecure(), resolve))
  closers.push(() => empty.forceShutdown())
})
afterAll(async () => {
  for (const close of closers) close()
  await bed.remove()
})

const bbox = query({ namespace: 'default', prefix: 'bbox' })
const at = (path: string) => ({ ...bed.options, endpoint: `unix://${path}`, timeoutMs: 400 })

describe('a named endpoint is asked alone', () => {
  test.each([
    ['missing', /^there is no container runtime socket at .*missing\.sock$/, /CONTAINER_RUNTIME_ENDPOINT/],
    ['refused', /^nobody listens at .*refused\.sock/, /systemctl status/],
    ['http', /^what listens at .*http\.sock is no container runtime/, /CONTAINER_RUNTIME_ENDPOINT/],
    ['garbage', /^what listens at .*garbage\.sock is no container runtime/, /CONTAINER_RUNTIME_ENDPOINT/],
    ['silent', /silent\.sock did not answer within 400 ms$/, /crictl pods/],
    ['grpc', /grpc\.sock answers gRPC but not the Container Runtime Interface/, /disabled_plugins/],
  ] as const)('%s', async (kind, reason, hint) => {
    const began = performance.now()
    const options = { ...at(paths[kind]), sockets: [good] }
    const unavailable = { state: 'unknown', code: 'RUNTIME_UNAVAILABLE' }
    const fact = await locatePod(bbox, options)
    expect(fact).toMatchObject({
      ...unavailable,
      reason: expect.stringMatching(reason),
      hint: expect.stringMatching(hint),
    })
    expect(await listPods(options)).toMatchObject(unavailable)
    expect(performance.now() - began).toBeLessThan(3000)
  })

  test('a TCP endpoint is no unix socket', async () => {
    expect(await locatePod(bbox, { ...bed.options, endpoint: 'tcp://198.51.100.1:2376' })).toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      reason: expect.stringContaining('no unix socket'),
    })
  })

  test('a path without unix:// serves as well', async () => {
    expect(await locatePod(bbox, { ...bed.options, endpoint: good })).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode },
    })
  })
})

describe('without a named endpoint', () => {
  test('what does not answer is passed over', async () => {
    const sockets = [paths.missing, paths.refused, paths.http, paths.silent, paths.grpc, good]
    const options = { ...bed.options, sockets, timeoutMs: 400 }
    expect(await locatePod(bbox, options)).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
    expect(await listPods(options)).toMatchObject({ state: 'known' })
  })

  test('the pod is not here when every runtime that runs says so', async () => {
    const options = { ...bed.options, sockets: [paths.refused, paths.grpc, good], timeoutMs: 400 }
    expect(await locatePod(query({ name: 'nobody' }), options)).toMatchObject({ code: 'POD_NOT_ON_NODE' })
  })

  test('a runtime that hangs may run the pod: nothing is concluded', async () => {
    const options = { ...bed.options, sockets: [paths.silent, good], timeoutMs: 400 }
    expect(await locatePod(query({ name: 'nobody' }), options)).toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      reason: expect.stringContaining('silent.sock did not answer'),
    })
  })

  test('every failure is named when nothing answers', async () => {
    const options = { ...bed.options, sockets: [paths.refused, paths.http], timeoutMs: 400 }
    expect(await locatePod(bbox, options)).toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      reason: expect.stringMatching(/refused\.sock.*; .*http\.sock/),
    })
  })

  test('no socket at all', async () => {
    expect(await listPods(bed.options)).toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      hint: expect.stringContaining('mount'),
    })
  })
})

describe('rights', () => {
  const unprivileged = ['setpriv', '--bounding-set=-sys_ptrace']

  test('without CAP_SYS_PTRACE the pinned namespace serves', async () => {
    expect(await locateIn(unprivileged, bbox, at(good))).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, netnsPath: bed.a.path, pid: null },
    })
  })

  test('without CAP_SYS_PTRACE and a pinned namespace the capability is named', async () => {
    const path = join(bed.dir, 'unpinned.sock')
    const answers = recorded('containerd-1.6')
    pod(answers, 'bbox').pid(bed.a.pid)
    pod(answers, 'bbox').pinned(null)
    const server = await serveCri(answers, path)
    closers.push(() => server.forceShutdown())
    expect(await locateIn(unprivileged, bbox, at(path))).toMatchObject({
      code: 'PERMISSION_MISSING',
      hint: expect.stringContaining('CAP_SYS_PTRACE'),
    })
  })

  test('a socket that belongs to root is named to another user', async () => {
    chmodSync(bed.dir, 0o755)
    chmodSync(good, 0o600)
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    expect(await locateIn(nobody, bbox, at(good))).toMatchObject({
      code: 'PERMISSION_MISSING',
      reason: expect.stringContaining('good.sock'),
    })
  })
})
