// The bare path of `bench fanout`: the hops that the design cannot do without (the sender's socket ends in one object, the
// readers hang on another, one call between them), and no logic: no parsing, no state, no checks.
import { DurableObject } from 'cloudflare:workers'

export class Socket extends DurableObject {
  fetch() {
    const [client, server] = Object.values(new WebSocketPair())
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }
  webSocketMessage(_socket, text) {
    this.env.HUB.getByName('hub').tell(text)
  }
}

export class Hub extends DurableObject {
  readers = new Set()
  fetch() {
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode('event: hello\ndata: {}\n\n'))
        this.readers.add(controller)
      },
    })
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
  }
  tell(text) {
    const chunk = new TextEncoder().encode(`event: task.progress\ndata: ${text}\n\n`)
    for (const reader of this.readers) reader.enqueue(chunk)
  }
}

export default {
  fetch(request, env) {
    const isSocket = request.headers.get('upgrade') === 'websocket'
    return (isSocket ? env.SOCKET : env.HUB).getByName('hub').fetch(request)
  },
}
