import { startHost } from '#host/host.ts'
import { HostError } from '#host/host-error.ts'

/** A host in a process of its own: `run-host.ts '<HostOptions as JSON>'`. Says on stdout, a JSON line each, what happened. */
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)

try {
  const host = await startHost(JSON.parse(process.argv[2] ?? ''))
  const stop = async () => {
    await host.stop()
    say({ stopped: true })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  await host.agentReady.then(
    async () => say({ address: host.address, apiKey: host.apiKey, link: await host.signInLink() }),
    (error: Error) => say({ agentError: error.message }),
  )
} catch (error) {
  say({ error: String(error), expected: error instanceof HostError })
  process.exitCode = 1
}
