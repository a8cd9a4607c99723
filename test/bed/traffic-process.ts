/**
 * Serves or asks until its standard input ends, which is when its owner does.
 * Arguments: "serve" and a port; or "ask", a port, connections a second, and addresses. Says how many were answered, once a second.
 */
import { connect, createServer } from 'node:net'

const [role, portText = '', rate = '', ...addresses] = process.argv.slice(2)
const port = Number(portText)
const TICK_MS = 50

if (role === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => {}) // the other side may be gone already
    socket.end('hello\n')
  })
  server.listen(port, '::', () => console.log('ready'))
} else {
  let answered = 0
  let asked = 0
  const each = (Number(rate) * TICK_MS) / 1000
  setInterval(() => {
    for (let i = 0; i < each; i++) {
      const socket = connect({ host: addresses[asked++ % addresses.length] ?? '', port })
      socket.once('data', () => {
        answered++
        socket.destroy()
      })
      socket.on('error', () => {}) // what is lost is not answered
    }
  }, TICK_MS)
  setInterval(() => console.log(String(answered)), 1000)
}
process.stdin.resume()
process.stdin.once('close', () => process.exit())
