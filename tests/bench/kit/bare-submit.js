// The bare path of `bench load`: POST → D1 → a new object with one row → the registry object → a push on a socket, which
// is what the design cannot do without; no form, no keys, no selection, no state machine.
import { DurableObject } from 'cloudflare:workers'

export class Registry extends DurableObject {
  fetch() {
    const [client, server] = Object.values(new WebSocketPair())
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }
  push(id) {
    for (const socket of this.ctx.getWebSockets()) socket.send(id)
  }
}

export class Job extends DurableObject {
  async create(id) {
    this.ctx.storage.kv.put('job', id)
    await this.env.REGISTRY.getByName('registry').push(id)
  }
}

export default {
  async fetch(request, env) {
    if (request.headers.get('upgrade') === 'websocket')
      return env.REGISTRY.getByName('registry').fetch(request)
    await request.arrayBuffer()
    const id = crypto.randomUUID()
    await env.DB.prepare('INSERT INTO jobs (id, created_at_ms) VALUES (?, ?)').bind(id, Date.now()).run()
    await env.JOB.getByName(id).create(id)
    return new Response(id, { status: 201 })
  },
}
