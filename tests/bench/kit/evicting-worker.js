// The built Worker with one path more: it drops the registry from memory, as an eviction or an update of the platform does.
import product, { Registry as RealRegistry } from './product.js'

export * from './product.js'

export class Registry extends RealRegistry {
  benchEvict() {
    this.ctx.abort('evicted by the bench')
  }
}

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== '/v1/bench/evict') return product.fetch(request, env, context)
    // The object that is called goes away under the call.
    await env.REGISTRY.getByName('pool:default')
      .benchEvict()
      .catch(() => undefined)
    return new Response('evicted')
  },
}
