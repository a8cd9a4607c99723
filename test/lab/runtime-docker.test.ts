/** The Docker API: recorded answers with a live process put in, and the real daemon of Debian's docker.io. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DockerContainer, DockerInspect } from '../../lib/runtime/docker.ts'
import { listPods, locatePod } from '../../lib/runtime/index.ts'
import { pod, query, recorded, recordedJson, runtimeBed, serveCri } from './runtime-bed.ts'

let bed: Awaited<ReturnType<typeof runtimeBed>>
beforeAll(async () => {
  bed = await runtimeBed('rtd')
})
afterAll(() => bed.remove())

type Inspected = DockerInspect & { Id: string; State: { Pid: number } }
interface DockerAnswers {
  '/version': object
  sandboxes: DockerContainer[]
  containers: DockerContainer[]
  inspect: Inspected[]
}

describe('recorded answers', () => {
  const servers: Server[] = []
  let count = 0
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  /** Serves them as dockerd does, at a socket of that name: filters by label, 404 for an unknown id. */
  async function serve(answers: DockerAnswers, name = 'docker.sock'): Promise<string> {
    const dir = join(bed.dir, `${count++}`)
    mkdirSync(dir)
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://docker')
      const filters = JSON.parse(url.searchParams.get('filters') ?? '{}') as { label?: string[] }
      const id = /^\/containers\/(\w{64})\/json$/.exec(url.pathname)?.[1]
      const lists: Record<string, unknown> = {
        'io.kubernetes.docker.type=podsandbox': answers.sandboxes,
        [`io.kubernetes.sandbox.id=${answers.containers[0]?.Labels['io.kubernetes.sandbox.id']}`]: answers.containers,
      }
      const answer =
        url.pathname === '/version'
          ? answers['/version']
          : url.pathname === '/containers/json'
            ? (lists[filters.label?.[0] ?? ''] ?? [])
            : answers.inspect.find(({ Id }) => Id === id)
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answer ?? { message: 'No such container' }))
    })
    servers.push(server)
    const path = join(dir, name)
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return path
  }

  /** The running sandbox of a pod, as inspected. */
  function inspected(answers: DockerAnswers, name: string): Inspected {
    const running = answers.sandboxes.find(
      ({ State, Labels }) => State === 'running' && Labels['io.kubernetes.pod.name'] === name,
    )
    const found = answers.inspect.find(({ Id }) => Id === running?.Id)
    if (found === undefined) throw new Error(`no ${name} in the recording`)
    return found
  }

  test('the running sandbox, not the ended attempt before it', async () => {
    const answers = recordedJson<DockerAnswers>('docker-20.10')
    inspected(answers, 'bbox-a').State.Pid = bed.a.pid
    const path = await serve(answers)
    const addresses = ['198.18.9.4', '2001:db8:18:9::4']
    const fact = await locatePod(query({ name: 'bbox-a', addresses }), { ...bed.options, endpoint: `unix://${path}` })
    expect(fact).toMatchObject({
      state: 'known',
      value: {
        namespace: 'default',
        name: 'bbox-a',
        uid: '6f1a0b6e-0000-4000-8000-00000000000a',
        netns: bed.a.inode,
        pid: bed.a.pid,
        hostNetwork: false,
        addresses,
        runtimeHandler: 'runc',
        foundBy: `Docker API 20.10.24+dfsg1 at ${path}`,
      },
    })
  })

  test('a socket of any name is tried as Docker after the CRI', async () => {
    const answers = recordedJson<DockerAnswers>('docker-20.10')
    inspected(answers, 'bbox-a').State.Pid = bed.a.pid
    const endpoint = await serve(answers, 'engine')
    const fact = await locatePod(query({ name: 'bbox-a' }), { ...bed.options, endpoint })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
  })

  test('a hostNetwork pod is in the node’s namespace', async () => {
    const answers = recordedJson<DockerAnswers>('docker-20.10')
    inspected(answers, 'bbox-h').State.Pid = bed.node.pid
    const fact = await locatePod(query({ name: 'bbox-h' }), { ...bed.options, sockets: [await serve(answers)] })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.node.inode, hostNetwork: true } })
  })

  test('only an ended sandbox: the pod does not run', async () => {
    const answers = recordedJson<DockerAnswers>('docker-20.10')
    const ended = answers.sandboxes.filter(({ State }) => State === 'exited')
    const endpoint = await serve({ ...answers, sandboxes: ended })
    const options = { ...bed.options, endpoint }
    expect(await locatePod(query({ name: 'bbox-a' }), options)).toMatchObject({ code: 'POD_NOT_RUNNING' })
    expect(await listPods(options)).toEqual({ state: 'known', value: [] })
  })

  test('a sandbox removed since it was listed is gone', async () => {
    const answers = recordedJson<DockerAnswers>('docker-20.10')
    const endpoint = await serve({ ...answers, inspect: [] })
    const fact = await locatePod(query({ name: 'bbox-a' }), { ...bed.options, endpoint })
    expect(fact).toMatchObject({ code: 'NAMESPACE_GONE' })
  })

  test('gVisor as Docker runtime', async () => {
    const answers = recordedJson<DockerAnswers>('docker-20.10')
    const sandbox = inspected(answers, 'bbox-a')
    answers.inspect = [{ ...sandbox, HostConfig: { ...sandbox.HostConfig, Runtime: 'runsc' } }]
    const fact = await locatePod(query({ name: 'bbox-a' }), { ...bed.options, endpoint: await serve(answers) })
    expect(fact).toMatchObject({ code: 'SANDBOXED_RUNTIME' })
  })

  test('cri-dockerd and a pod whose containers all crash: its Docker knows the sandbox’s process', async () => {
    const cri = recorded('cri-dockerd')
    const { item, answer } = pod(cri, 'bbox-a')
    item.state = 'SANDBOX_READY'
    answer.status.state = 'SANDBOX_READY'
    const docker = recordedJson<DockerAnswers>('docker-20.10')
    docker.inspect = [{ ...inspected(docker, 'bbox-a'), Id: item.id, State: { Pid: bed.a.pid } }]
    const path = join(bed.dir, 'cri-dockerd.sock')
    const server = await serveCri(cri, path)
    const options = { ...bed.options, endpoint: path, sockets: [await serve(docker)] }
    const fact = await locatePod(query({ name: 'bbox-a' }), options)
    server.forceShutdown()
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.a.inode, pid: bed.a.pid } })
  })
})

test('cri-dockerd whose Docker is gone still tells a hostNetwork pod', async () => {
  const cri = recorded('cri-dockerd')
  for (const name of ['bbox-a', 'bbox-h']) pod(cri, name).item.state = 'SANDBOX_READY'
  const path = join(bed.dir, 'orphan.sock')
  const server = await serveCri(cri, path)
  const dead = join(bed.dir, 'docker.sock')
  writeFileSync(dead, '')
  const options = { ...bed.options, endpoint: path, sockets: [dead] }
  const host = await locatePod(query({ name: 'bbox-h' }), options)
  const own = await locatePod(query({ name: 'bbox-a' }), options)
  server.forceShutdown()
  expect(host).toMatchObject({ state: 'known', value: { netns: bed.node.inode, hostNetwork: true } })
  expect(own).toMatchObject({ code: 'RUNTIME_UNAVAILABLE', reason: expect.stringContaining(dead) })
})

describe('a real Docker daemon', () => {
  let daemon: ChildProcess
  let socket = ''
  const docker = (...args: string[]): string =>
    execFileSync('docker', ['-H', `unix://${socket}`, ...args], {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    }).trim()

  /** Runs a pause container as cri-dockerd labels and names it. */
  function pause(name: string, uid: string, attempt: number, network: string): { id: string; pid: number } {
    const labels = {
      'io.kubernetes.docker.type': 'podsandbox',
      'io.kubernetes.pod.namespace': 'default',
      'io.kubernetes.pod.name': name,
      'io.kubernetes.pod.uid': uid,
      'annotation.kubernetes.io/config.source': 'api',
    }
    const id = docker(
      ...['run', '-d', '--network', network, '--name', `k8s_POD_${name}_default_${uid}_${attempt}`],
      ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
      ...['/usr', '/bin', '/lib', '/lib64'].flatMap((path) => ['-v', `${path}:${path}:ro`]),
      ...['lab.test/pause:1', '/usr/bin/sleep', '600'],
    )
    return { id, pid: Number(docker('inspect', '-f', '{{.State.Pid}}', id)) }
  }

  beforeAll(async () => {
    socket = join(bed.dir, 'real/docker.sock')
    mkdirSync(join(bed.dir, 'real/empty'), { recursive: true })
    const log = openSync(join(bed.dir, 'real/log'), 'a')
    const own = ['host', 'data-root', 'exec-root', 'pidfile'].map((flag) =>
      flag === 'host' ? `--host=unix://${socket}` : `--${flag}=${join(bed.dir, 'real', flag)}`,
    )
    const quiet = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']
    daemon = spawn(
      'nsenter',
      [`--net=${bed.node.path}`, 'unshare', '-m', 'dockerd', ...own, ...quiet, '--storage-driver=vfs'],
      { stdio: ['ignore', log, log] },
    )
    closeSync(log)
    for (let tries = 0; ; tries++) {
      try {
        docker('version')
        break
      } catch {
        if (tries === 60 || daemon.exitCode !== null) {
          const why = readFileSync(join(bed.dir, 'real/log'), 'utf8').trim().split('\n').at(-1)
          throw new Error(`dockerd does not run here (apt-get install docker.io): ${why}`)
        }
        await sleep(250)
      }
    }
    execFileSync('docker', ['-H', `unix://${socket}`, 'import', '-', 'lab.test/pause:1'], {
      input: execFileSync('tar', ['-C', join(bed.dir, 'real/empty'), '-c', '.']),
      stdio: ['pipe', 'ignore', 'pipe'],
    })
  })
  afterAll(async () => {
    const all = docker('ps', '-aq').split('\n').filter(Boolean)
    if (all.length > 0) docker('rm', '-f', ...all)
    const ended = new Promise((resolve) => daemon.once('exit', resolve))
    daemon.kill('SIGTERM')
    await ended
  })

  test('leads to the process of the newest attempt, and tells hostNetwork', async () => {
    const uid = '6f1a0b6e-0000-4000-8000-00000000000a'
    const old = pause('bbox-a', uid, 0, 'none')
    docker('kill', old.id)
    const current = pause('bbox-a', uid, 1, 'none')
    const host = pause('bbox-h', '6f1a0b6e-0000-4000-8000-00000000000b', 0, 'host')
    const options = { ...bed.options, endpoint: socket }
    const own = await locatePod(query({ namespace: 'default', name: 'bbox-a' }), options)
    expect(own).toMatchObject({ state: 'known', value: { pid: current.pid, hostNetwork: false } })
    if (own.state !== 'known') return
    expect([bed.node.inode, bed.a.inode]).not.toContain(own.value.netns)
    expect(await locatePod(query({ name: 'bbox-h' }), options)).toMatchObject({
      state: 'known',
      value: { pid: host.pid, hostNetwork: true, netns: bed.node.inode },
    })
    expect(await listPods(options)).toMatchObject({ value: [{ name: 'bbox-a' }, { name: 'bbox-h' }] })
  })
})
