/** What is told of the causes of the faults that are written as lists of exact troubles. */
import { FAULTS } from '../faults.ts'
import { adopt, type Entry } from './entry.ts'

const OTHER = ['other node', 'dns', 'service'] as const
const NAMED = /fault/

export const faults: readonly Entry[] = adopt(FAULTS, {
  'packets from the pod to the API server dropped': {
    ...{ class: 'firewall', place: 'node', touches: ['api'], root: ['FIREWALL_DROPS'], names: NAMED },
  },
  'ip_forward=0 on the node': {
    ...{ class: 'forwarding', place: 'node', touches: [...OTHER, 'external'], root: ['FORWARDING_OFF'] },
  },
  'VXLAN port dropped at the other node': {
    ...{ class: 'other node', place: 'other node', touches: OTHER, root: ['TUNNEL_UNANSWERED'], says: /Open UDP 8472/ },
  },
  '1400-byte black hole in the underlay': {
    ...{
      class: 'mtu',
      place: 'underlay',
      touches: ['other node'],
      root: ['PATH_MTU_BLACK_HOLE'],
      says: /MTU to 1350\b/,
    },
  },
  'one of two DNS replicas dead': {
    ...{
      class: 'dns',
      place: 'other node',
      touches: ['dns'],
      root: ['POD_UNANSWERED'],
      says: /that pod's half of the path/,
    },
  },
  'one endpoint of the service cut off on the source pod’s node': {
    ...{ class: 'services', place: 'node', touches: ['service'], root: ['FIREWALL_DROPS'], names: NAMED },
  },
  'one endpoint of the service dead': {
    ...{
      class: 'services',
      place: 'other node',
      touches: ['service'],
      root: ['POD_UNANSWERED'],
      says: /that pod's half of the path/,
    },
  },
  'kube-proxy stopped and a service changed': {
    class: 'services',
    place: 'node',
    touches: ['service'],
    root: ['KUBE_PROXY_UNHEALTHY', 'SERVICE_NOT_TRANSLATED', 'SERVICE_RULES_MISSING', 'SERVICE_RULES_STALE'],
    also: ['SERVICE_NOT_TRANSLATED', 'SERVICE_RULES_MISSING', 'SERVICE_RULES_STALE'],
    says: /kube-proxy/,
  },
  'the destination pod does not listen': {
    ...{
      class: 'target pod',
      place: 'target pod',
      touches: ['other node'],
      root: ['NOTHING_LISTENING'],
      says: /what it listens on/,
    },
  },
  'the external address unreachable': {
    ...{
      class: 'underlay',
      place: 'underlay',
      touches: ['external'],
      root: ['LEFT_NODE_UNANSWERED'],
      says: /Look beyond this node/,
    },
  },
  'an API server endpoint that refuses': {
    ...{ class: 'api', place: 'cluster objects', touches: ['api'], root: ['NOTHING_LISTENING'], says: /listens on/ },
  },
})
