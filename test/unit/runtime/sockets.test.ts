import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { endpointPath, socketAt, usualSockets } from '../../../lib/runtime/sockets.ts'

test.each([
  ['unix:///run/containerd/containerd.sock', '/run/containerd/containerd.sock'],
  ['unix:/run/crio/crio.sock', '/run/crio/crio.sock'],
  ['/run/k0s/containerd.sock', '/run/k0s/containerd.sock'],
  ['tcp://198.51.100.1:2376', null],
  ['npipe:////./pipe/containerd', null],
  ['containerd.sock', null],
  ['unix://containerd.sock', null],
  ['', null],
])('endpoint %s', (endpoint, path) => {
  expect(endpointPath(endpoint)).toBe(path)
})

test('a named socket is the node’s, wherever a container sees it; one that is nowhere keeps its name', () => {
  const root = mkdtempSync(join(tmpdir(), 'sockets-'))
  try {
    const seen = join(root, '1/root/run/none/such.sock')
    mkdirSync(dirname(seen), { recursive: true })
    writeFileSync(seen, '')
    expect(socketAt('/run/none/such.sock', root)).toBe(seen)
    expect(socketAt('/var/run/none/such.sock', root)).toBe(seen)
    expect(socketAt('/run/none/other.sock', root)).toBe('/run/none/other.sock')
    // a part of the path that is a file, a loop of links, a directory that may not be searched: all the same
    writeFileSync(join(root, 'file'), '')
    expect(socketAt('/run/none/such.sock', join(root, 'file'))).toBe('/run/none/such.sock')
  } finally {
    rmSync(root, { recursive: true })
  }
})

describe('usual sockets', () => {
  const first = (version: string | null, docker = false) => usualSockets(version, '/proc', () => docker)[0]

  test('the runtime that the node names comes first', () => {
    expect(first('containerd://1.6.20')).toBe('/run/containerd/containerd.sock')
    expect(first('cri-o://1.37.0')).toBe('/run/crio/crio.sock')
    expect(first('docker://20.10.24')).toBe('/run/cri-dockerd.sock')
    expect(first(null)).toBe('/run/containerd/containerd.sock')
  })

  test('all distributions are covered, also below the root of process 1', () => {
    const all = usualSockets(null, '/host/proc', () => true)
    for (const part of [
      'containerd/containerd.sock',
      'crio/',
      'k3s/',
      'k0s/',
      'microk8s/',
      'cri-dockerd',
      'docker.sock',
    ])
      expect(all.filter((path) => path.includes(part)).length, part).toBeGreaterThanOrEqual(2)
    expect(all).toContain('/host/proc/1/root/run/containerd/containerd.sock')
    expect(all).toContain('/host/run/crio/crio.sock')
    expect(all).not.toContain('/host/var/snap/microk8s/common/run/containerd.sock')
  })

  test('Docker is left asleep unless it is named or runs: systemd would start it', () => {
    const asked = (version: string | null, docker: boolean) =>
      usualSockets(version, '/proc', () => docker).some((path) => path.includes('docker'))
    expect(asked('containerd://1.6.20', false)).toBe(false)
    expect(asked(null, false)).toBe(false)
    expect(asked(null, true)).toBe(true)
    expect(asked('docker://20.10.24', false)).toBe(true)
  })
})
