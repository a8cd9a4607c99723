/** Container images made on the spot from busybox-static, as OCI layouts; no registry is asked. */
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { run } from './namespace.ts'

export interface ImageSpec {
  /** Full reference, e.g. lab.test/bbox:1. */
  readonly name: string
  /** Static binaries that go to /bin, next to busybox. */
  readonly binaries?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
}

const APPLETS = ['sh', 'sleep', 'cat', 'echo', 'mkdir', 'ls', 'ip', 'ping', 'nslookup', 'httpd', 'nc', 'wget']
const TYPE = 'application/vnd.oci.image'
const PLATFORM = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux' }

/** The image that serves as sandbox and as workload: busybox, which sleeps unless told otherwise. */
export const BUSYBOX: ImageSpec = { name: 'lab.test/bbox:1', cmd: ['/bin/sleep', '1000000'] }

/** Writes an image as an OCI layout tar to `out`. */
export function buildImage(spec: ImageSpec, out: string): void {
  const work = mkdtempSync(join(tmpdir(), 'k8snetlook-image-'))
  const oci = join(work, 'oci')
  mkdirSync(join(oci, 'blobs/sha256'), { recursive: true })
  try {
    const layer = blob(oci, makeLayer(work, spec.binaries ?? []))
    const config = json(oci, {
      ...PLATFORM,
      config: { Env: ['PATH=/bin'], Entrypoint: spec.entrypoint ?? [], Cmd: spec.cmd ?? [] },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    })
    const manifest = json(oci, {
      schemaVersion: 2,
      mediaType: `${TYPE}.manifest.v1+json`,
      config: { mediaType: `${TYPE}.config.v1+json`, ...config },
      layers: [{ mediaType: `${TYPE}.layer.v1.tar`, ...layer }],
    })
    const annotations = { 'io.containerd.image.name': spec.name, 'org.opencontainers.image.ref.name': '1' }
    const manifests = [{ mediaType: `${TYPE}.manifest.v1+json`, ...manifest, annotations, platform: PLATFORM }]
    writeFileSync(join(oci, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
    writeFileSync(join(oci, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    const part = `${out}.part-${process.pid}`
    run('tar', ['-C', oci, '-cf', part, '.'])
    renameSync(part, out)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function makeLayer(work: string, binaries: readonly string[]): Buffer {
  const root = join(work, 'root')
  for (const dir of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev']) mkdirSync(join(root, dir), { recursive: true })
  for (const binary of ['/bin/busybox', ...binaries]) copyFileSync(binary, join(root, 'bin', basename(binary)))
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n')
  run('tar', ['-C', root, '--owner=0', '--group=0', '-cf', join(work, 'layer.tar'), '.'])
  return readFileSync(join(work, 'layer.tar'))
}

function blob(oci: string, content: Buffer): { digest: string; size: number } {
  const hash = createHash('sha256').update(content).digest('hex')
  writeFileSync(join(oci, 'blobs/sha256', hash), content)
  return { digest: `sha256:${hash}`, size: content.length }
}

const json = (oci: string, value: unknown) => blob(oci, Buffer.from(JSON.stringify(value)))
