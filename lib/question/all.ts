/** Every question, loaded together: a late answer then finds all others to ask ahead (see question.ts). */
import './api.ts'
import './dns.ts'
import './external.ts'
import './gateway.ts'
import './mtu.ts'
import './node-filter.ts'
import './node-pressure.ts'
import './node-routing.ts'
import './pod.ts'
import './service.ts'

export { destinations, destinationsHere, families } from './question.ts'
