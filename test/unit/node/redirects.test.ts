import { describe, expect, it } from 'vitest'
import { parseRedirects } from '../../../lib/node/redirects.ts'

/** Istio's rules as iptables-nft leaves them, shortened. */
const ISTIO = `table ip nat {
	chain OUTPUT {
		type nat hook output priority dstnat; policy accept;
		meta l4proto tcp counter packets 0 bytes 0 jump ISTIO_OUTPUT
	}
	chain ISTIO_OUTPUT {
		oifname "lo" ip daddr != 127.0.0.1 meta skuid 1337 counter packets 0 bytes 0 jump ISTIO_IN_REDIRECT
		meta skgid 1337 counter packets 0 bytes 0 return
		counter packets 0 bytes 0 jump ISTIO_REDIRECT
	}
	chain ISTIO_REDIRECT {
		meta l4proto tcp counter packets 0 bytes 0 redirect to :15001
	}
}`
/** Linkerd's as iptables-legacy-save prints them. */
const LINKERD = `*nat
-A OUTPUT -j PROXY_INIT_OUTPUT
-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN
-A PROXY_INIT_OUTPUT -o lo -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140
COMMIT`
const AMBIENT = `chain ISTIO_OUTPUT { meta mark & 0x00000fff != 0x00000539 xt target "REDIRECT" }`

describe('parseRedirects', () => {
  it.each([
    ['Istio in nftables', ISTIO, { uids: [1337], gids: [1337], marks: [] }, 'redirect to :15001'],
    ['Linkerd in legacy iptables', LINKERD, { uids: [2102], gids: [], marks: [] }, '--to-ports 4140'],
    ['Istio ambient, by mark', AMBIENT, { uids: [], gids: [], marks: [0x539] }, 'REDIRECT'],
    ['TPROXY', 'meta l4proto tcp tproxy to :15006 accept', { uids: [], gids: [], marks: [] }, 'tproxy'],
  ])('%s', (_, text, owners, line) => {
    const found = parseRedirects(text)
    expect(found).toMatchObject(owners)
    expect(found.rules).toEqual([expect.stringContaining(line)])
  })

  it('other rules redirect nothing', () => {
    expect(
      parseRedirects('ip daddr 198.19.0.1 dnat to 198.18.1.2:80\nchain redirects {\n# redirected\n}').rules,
    ).toEqual([])
  })
})
