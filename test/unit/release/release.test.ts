/** What `npm run release` does without building: one commit, manifests by digest; and that both architectures can be built. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from 'js-yaml'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url))
const DIGEST = `sha256:${'5c'.repeat(32)}`
const BASE = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [job.yaml]
images:
  - name: k8snetlook
    newTag: 0.1.0
`

describe('the release of a small project', () => {
  let dir: string

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'k8snetlook-release-'))
    for (const name of ['bin', 'deploy/base', 'deploy/overlays/privileged'])
      mkdirSync(join(dir, name), { recursive: true })
    for (const file of ['bin/release.mjs', 'package.json', '.gitignore'])
      copyFileSync(join(PROJECT, file), join(dir, file))
    symlinkSync(join(PROJECT, 'node_modules'), join(dir, 'node_modules'))
    writeFileSync(join(dir, 'deploy/base/kustomization.yaml'), BASE)
    writeFileSync(join(dir, 'deploy/base/job.yaml'), 'kind: Job\n')
    writeFileSync(join(dir, 'deploy/overlays/privileged/kustomization.yaml'), 'resources: [../../base]\n')
    git('init', '--quiet')
    git('add', '.')
    git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '--quiet', '-m', 'first')
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const git = (...args: string[]) => execFileSync('git', ['-C', dir, ...args])
  const release = (...args: string[]) => {
    const { PATH } = process.env
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(dir, 'bin/release.mjs'), ...args], {
      cwd: dir,
      encoding: 'utf8',
      env: { PATH },
    })
    return { status, output: stdout + stderr }
  }
  const made = (path: string) => readFileSync(join(dir, 'release/manifests', path), 'utf8')

  test('its manifests name the image of the registry by digest, below every overlay', () => {
    const { status, output } = release('manifests', '--registry', 'registry.example/net', '--digest', DIGEST)
    expect(output).toBe(`${join(dir, 'release/manifests')}\n`)
    expect(status).toBe(0)
    expect(load(made('base/kustomization.yaml'))).toEqual({
      ...{ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources: ['job.yaml'] },
      images: [{ name: 'k8snetlook', newName: 'registry.example/net/k8snetlook', digest: DIGEST }],
    })
    expect(made('base/job.yaml')).toBe('kind: Job\n')
    expect(made('overlays/privileged/kustomization.yaml')).toBe('resources: [../../base]\n')
  })

  test('the digest is that of the image that was made before, and no other text', () => {
    expect(release('manifests')).toEqual({
      status: 1,
      output: expect.stringContaining('make the image first, or name it with --digest'),
    })
    const arch = process.arch === 'arm64' ? 'arm64' : 'amd64'
    const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string }
    writeFileSync(join(dir, `release/k8snetlook-${version}-image-linux-${arch}.tar.digest`), DIGEST)
    expect(release('manifests').status).toBe(0)
    expect(made('base/kustomization.yaml')).toContain(`digest: ${DIGEST}`)
  })

  test('files that are not committed are named, and stop it', () => {
    writeFileSync(join(dir, 'deploy/base/job.yaml'), 'kind: CronJob\n')
    const { status, output } = release('manifests', '--digest', DIGEST)
    expect({ status, output }).toEqual({ status: 1, output: expect.stringContaining('M deploy/base/job.yaml') })
    expect(release('manifests', '--digest', DIGEST, '--dirty').status).toBe(0)
    expect(made('base/job.yaml')).toBe('kind: CronJob\n')
  })

  test.each([
    ['a part that is none', ['tarballs'], 'npm run release -- [tarball] [image] [manifests]'],
    ['an option that is none', ['--registy', 'x'], "Unknown option '--registy'"],
    ['pushing to nowhere', ['image', '--push'], '--push needs --registry'],
  ])('%s is refused with what to write', (_, args, said) => {
    expect(release(...args)).toEqual({ status: 1, output: expect.stringContaining(said) })
  })
})

test('whatever npm has for x64 alone, it has for arm64 as well', () => {
  const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { readonly dev?: boolean; readonly os?: string[]; readonly cpu?: string[] }>>
  }
  const native = Object.entries(lock.packages).filter(
    ([, { dev, os, cpu }]) => !dev && os?.includes('linux') && cpu?.includes('x64'),
  )
  expect(native.length).toBeGreaterThan(2)
  const twins = native.map(([name]) => name.replace('x64', 'arm64'))
  expect(Object.keys(lock.packages)).toEqual(expect.arrayContaining(twins))
})
