/**
 * A slow wire as a process: carries packets until its standard input ends, which is when its owner does.
 * Arguments: namespace and device of either end, delay one way in ms, loss in percent, seed, and 1 for Ethernet
 * frames.
 */
import { random } from '../lab/icmp-bed.ts'
import { layWire, slowHop } from './delay.ts'

const [near = '', nearDevice = '', far = '', farDevice = '', ...numbers] = process.argv.slice(2)
const [oneWayMs = 0, lossPercent = 0, seed = 0, frames = 0] = numbers.map(Number)
const pick = random(seed)

await layWire(
  [
    { namespace: near, device: nearDevice },
    { namespace: far, device: farDevice },
  ],
  slowHop({ oneWayMs, loss: lossPercent / 100, chance: () => pick(0, 999_999) / 1_000_000 }),
  frames === 1,
)
console.log('ready')
process.stdin.resume()
process.stdin.once('close', () => process.exit())
