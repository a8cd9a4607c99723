#!/usr/bin/env node
/**
 * `npm run release`: what a release consists of, from one commit, for this machine's architecture:
 *
 *   release/k8snetlook-<version>-linux-<arch>.tar.gz        download, unpack and run: Node.js and all native parts are in it
 *   release/k8snetlook-<version>-image-linux-<arch>.tar     the image, an OCI archive (with --push it goes to the registry as well)
 *   release/manifests/                                      kustomize: deploy/base and its overlays, the image by its digest
 *
 * Each with its SHA-256. Needs git, npm, a C++ compiler, make, python3 and (for the image) buildah.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dump, load } from 'js-yaml'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const PARTS = ['tarball', 'image', 'manifests']
const USAGE = `npm run release -- [tarball] [image] [manifests] [options]; no word: all three
  --registry NAME     where the image belongs, e.g. registry.example/net (default: the environment's REGISTRY, else none)
  --push              push the image there, as <version> and <major>.<minor>
  --source URL        the image's label org.opencontainers.image.source
  --base-image NAME   instead of the Dockerfile's, by digest for a base that is to stay; so --node-image
  --offline           take both bases from buildah's storage; otherwise they are pulled anew
  --digest DIGEST     of the image in the manifests, e.g. that of a manifest list of several architectures
  --dirty             allow changes that are not committed
  --out DIRECTORY     default: release`

/** What the tarball holds of the project, beside node_modules and Node.js. */
const SHIPPED = [
  ...['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'vitest.config.ts'],
  ...['bin/k8snetlook', 'bin/bundle.mjs', 'bin/k8snetlook.mjs', 'bin/merge.mjs', 'bin/temporary.mjs'],
  ...['checks', 'deploy', 'lib', 'schema'],
]

const ARCH = { x64: 'amd64', arm64: 'arm64' }[process.arch]

/** Runs a command; what it prints is returned, what it complains about is shown. */
function run(command, args, options = {}) {
  const io = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28, ...options }
  return String(execFileSync(command, args, io) ?? '').trim()
}

const git = (...args) => run('git', ['-C', PROJECT, ...args])
const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))

/** Commit and its time in seconds since 1970; every file of the release has that time. */
function commit(dirtyAllowed) {
  const changed = git('status', '--porcelain')
  if (changed && !dirtyAllowed)
    throw new Error(`a release is one commit, and these files are not committed:\n${changed}`)
  return { revision: git('rev-parse', 'HEAD') + (changed ? '-dirty' : ''), epoch: git('log', '-1', '--format=%ct') }
}

/** A copy of the project's files, without what git ignores. */
function exportSource(dir) {
  mkdirSync(dir)
  const files = git('ls-files', '--cached', '--others', '--exclude-standard')
    .split('\n')
    .filter((file) => existsSync(join(PROJECT, file)))
  // recursive: Node 24 asks for it where a file is a link to a directory, and copies the link
  for (const file of files) cpSync(join(PROJECT, file), join(dir, file), { recursive: true, verbatimSymlinks: true })
  return dir
}

/** Default of one of the Dockerfile's arguments: tarball and image have the same Node.js. */
function dockerfileArgument(name) {
  return new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(readFileSync(join(PROJECT, 'Dockerfile'), 'utf8'))?.[1] ?? ''
}

function makeTarball({ work, source, epoch, out }) {
  const name = `k8snetlook-${version}-linux-${ARCH}`
  const dir = join(work, name)
  for (const path of SHIPPED) cpSync(join(source, path), join(dir, path), { recursive: true })
  const node = installNode(join(work, 'node'))
  copyFileSync(join(node, 'bin/node'), join(dir, 'bin/node'))
  copyFileSync(join(node, 'LICENSE'), join(dir, 'bin/node.LICENSE'))
  installDependencies(dir, source, node)
  const file = join(out, `${name}.tar.gz`)
  const same = ['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX']
  run('tar', [...same, '--use-compress-program=gzip -n', '-C', work, '-cf', file, name])
  return file
}

/** Node.js with its headers, of the major version that the image has; from the npm package that carries both. */
function installNode(dir) {
  const [, major] = /:(\d+)/.exec(dockerfileArgument('NODE_IMAGE')) ?? []
  const name = `node-linux-${process.arch}`
  run('npm', ['install', '--silent', '--no-save', '--prefix', dir, `${name}@${major}`])
  return join(dir, 'node_modules', name)
}

/** node_modules for production in `dir`, native parts built for that Node.js. */
function installDependencies(dir, source, node) {
  for (const file of ['package-lock.json', '.npmrc']) copyFileSync(join(source, file), join(dir, file))
  const env = {
    ...process.env,
    PATH: `${join(node, 'bin')}:${process.env.PATH}`,
    npm_config_nodedir: node,
    // no path of this machine in what the compiler makes
    CXXFLAGS: `-ffile-prefix-map=${dir}=.`,
  }
  run('npm', ['ci', '--omit=dev', '--silent'], { cwd: dir, env })
  run(process.execPath, [join(source, 'bin/prune.mjs'), join(dir, 'node_modules')])
  for (const file of ['package-lock.json', '.npmrc']) rmSync(join(dir, file))
}

const imageName = (registry) => (registry ? `${registry}/k8snetlook` : 'k8snetlook')

/** The image's archive and, beside it, a file with its digest. */
function makeImage({ source, revision, epoch, out, options }) {
  const name = imageName(options.registry)
  const tags = [version, version.replace(/\.\d+$/, '')].map((tag) => `${name}:${tag}`)
  const bases = {
    BASE_IMAGE: options['base-image'] ?? dockerfileArgument('BASE_IMAGE'),
    NODE_IMAGE: options['node-image'] ?? dockerfileArgument('NODE_IMAGE'),
  }
  const pinned = Object.entries(bases).map(([arg, base]) => [arg, pin(base, options.offline)])
  const args = [...pinned, ['VERSION', version], ['REVISION', revision], ['SOURCE', options.source ?? 'unknown']]
  run('buildah', [
    ...['bud', '--pull-never', '--timestamp', epoch, ...tags.flatMap((tag) => ['--tag', tag])],
    ...args.flatMap(([arg, value]) => ['--build-arg', `${arg}=${value}`]),
    source,
  ])
  const file = join(out, `k8snetlook-${version}-image-linux-${ARCH}.tar`)
  const digestFile = `${file}.digest`
  rmSync(file, { force: true })
  run('buildah', ['push', '--quiet', '--digestfile', digestFile, tags[0], `oci-archive:${file}:${tags[0]}`])
  if (options.push)
    for (const tag of tags) run('buildah', ['push', '--quiet', '--digestfile', digestFile, tag, `docker://${tag}`])
  return file
}

/** "debian:bookworm-slim@sha256:...", as it is in the storage after a pull. */
function pin(base, offline) {
  if (!offline) run('buildah', ['pull', '--quiet', '--policy', 'always', base])
  if (base.includes('@')) return base
  const digest = run('buildah', ['images', '--format', '{{.Digest}}', base])
  return `${base.replace(/:[^:/]+$/, '')}@${digest}`
}

/** A copy of what deploy/ has for kubectl, its base with the image by digest; the overlays stand on the base. */
function makeManifests({ source, out, options }) {
  const digestFile = join(out, `k8snetlook-${version}-image-linux-${ARCH}.tar.digest`)
  const digest = options.digest ?? (existsSync(digestFile) ? readFileSync(digestFile, 'utf8').trim() : '')
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(`the digest of the image is "${digest}": make the image first, or name it with --digest sha256:...`)
  }
  const dir = join(out, 'manifests')
  rmSync(dir, { recursive: true, force: true })
  for (const part of ['base', 'overlays']) cpSync(join(source, 'deploy', part), join(dir, part), { recursive: true })
  const file = join(dir, 'base/kustomization.yaml')
  const images = [{ name: 'k8snetlook', newName: imageName(options.registry), digest }]
  const kustomization = { ...load(readFileSync(file, 'utf8')), images }
  writeFileSync(
    file,
    `# k8snetlook ${version}: deploy/base of the release, with the image by its digest\n${dump(kustomization)}`,
  )
  return dir
}

async function writeSum(file) {
  const hash = createHash('sha256')
  for await (const part of createReadStream(file)) hash.update(part)
  const line = `${hash.digest('hex')}  ${basename(file)}`
  writeFileSync(`${file}.sha256`, `${line}\n`)
  return line
}

async function main() {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{
        registry: { type: 'string', default: process.env.REGISTRY },
        push: { type: 'boolean' },
        source: { type: 'string' },
      },
      ...{ 'base-image': { type: 'string' }, 'node-image': { type: 'string' }, offline: { type: 'boolean' } },
      ...{ digest: { type: 'string' }, dirty: { type: 'boolean' }, out: { type: 'string', default: 'release' } },
    },
  })
  if (positionals.some((part) => !PARTS.includes(part))) throw new Error(USAGE)
  if (options.push && !options.registry) throw new Error(`--push needs --registry\n${USAGE}`)
  const parts = positionals.length > 0 ? positionals : PARTS
  const out = resolve(options.out)
  mkdirSync(out, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'k8snetlook-release-'))
  try {
    const source = exportSource(join(work, 'source'))
    const job = { ...commit(options.dirty), work, source, out, options }
    if (parts.includes('tarball')) console.log(await writeSum(makeTarball(job)))
    if (parts.includes('image')) console.log(await writeSum(makeImage(job)))
    if (parts.includes('manifests')) console.log(makeManifests(job))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
