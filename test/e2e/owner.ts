/** Owns a small test bed with one pod until it is killed: `tsx owner.ts PREFIX`. Says "up" when the pod runs. */
import { join } from 'node:path'
import { addressPlan } from '../bed/addresses.ts'
import { openBed } from '../bed/bed.ts'
import { startContainerd } from '../bed/containerd.ts'
import { BUSYBOX, buildImage } from '../bed/image.ts'
import { runPod } from '../bed/pod.ts'
import { createUnderlay } from '../bed/underlay.ts'

const bed = await openBed(process.argv[2] ?? '')
const plan = addressPlan('dual')
const [namespace = ''] = createUnderlay(bed, plan, 1).nodes
const node = { name: 'n1', namespace, index: 1 }
const tar = join(bed.dir, 'busybox.tar')
buildImage(BUSYBOX, tar)
const runtime = await startContainerd(bed, node, plan)
runtime.load(tar)
await runPod(bed, node, runtime.socket, { name: 'bbox' })
console.log('up')
setInterval(() => {}, 60_000)
