/** Every question, loaded together: a late answer then finds all others to ask ahead (see question.ts). */
import './api.ts'
import './dns.ts'
import './dns-race.ts'
import './dns-search.ts'
import './external.ts'
import './gateway.ts'
import './hairpin.ts'
import './mtu.ts'
import './pod.ts'
import './service.ts'
import './service-outside.ts'

export { destinations, destinationsHere, families } from './question.ts'
