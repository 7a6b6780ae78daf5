/** What the host asks of a control plane, and a counter in D1 that shows whether data was kept. */
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (pathname === '/health') return Response.json({ status: 'healthy' })
    if (pathname === '/crash') return new Response(await env.MISSING.get('x'))
    if (request.headers.get('authorization') !== `Bearer ${env.ADMIN_KEY}`)
      return new Response('who?', { status: 401 })
    if (pathname === '/variables') {
      const texts = Object.entries(env).filter(([name]) => name.startsWith('DALSTON_'))
      return Response.json(Object.fromEntries(texts))
    }
    if (pathname === '/count') {
      await env.DB.prepare('INSERT INTO visits (note) VALUES (?)').bind("it's; one").run()
      return Response.json(await env.DB.prepare('SELECT count(*) AS visits FROM visits').first())
    }
    if (pathname === '/v1/agents/tokens') {
      const id = `token_${'0'.repeat(26)}`
      return Response.json({ id, token: 'dj_test', pool: 'default', expires_at: '2030-01-01T00:00:00.000Z' })
    }
    if (pathname === '/v1/console/links') {
      return Response.json({
        url: `http://${request.headers.get('host')}/sign-in?link=x`,
        expires_at: '2030-01-01T00:00:00.000Z',
      })
    }
    return new Response('not here', { status: 404 })
  },
}
