import { type Bench, median } from './bench.ts'
import { type BenchServer, startBenchServer } from './kit/bench-server.ts'
import { ScriptedAgent } from './kit/scripted-agent.ts'

const ROUNDS = 100
const WARM_UP = 10
/** A short recording: the body is not what is measured. */
const BODY_BYTES = 16 * 1024

/** From the moment at which a submit is sent to its offer on the agent's socket, beside an empty request on the same server. */
export const bench: Bench = {
  name: 'submit',
  async run(report) {
    await using server = await startBenchServer()
    const agent = await ScriptedAgent.join(server, 1_000)
    const offers: number[] = []
    const answers: number[] = []
    const bare: number[] = []
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      const bareMs = await timed(() =>
        fetch(`${server.host.address}/no-such-page`).then((answer) => answer.text()),
      )
      const { offerMs, answerMs } = await submit(server, agent)
      if (round < 0) continue
      bare.push(bareMs)
      offers.push(offerMs)
      answers.push(answerMs)
    }
    agent.close()
    const figure = (name: string, value: number, unit: string) =>
      report({
        bench: 'submit',
        case: '16 KB, one at a time',
        figure: name,
        value,
        unit,
        target: null,
        ok: null,
      })
    figure('submit to offer, median', median(offers), 'ms')
    figure('submit to answer, median', median(answers), 'ms')
    figure('an empty request, median', median(bare), 'ms')
    figure('submit to offer over an empty request', median(offers) / median(bare), 'x')
  },
}

async function submit(
  server: BenchServer,
  agent: ScriptedAgent,
): Promise<{ offerMs: number; answerMs: number }> {
  const startMs = performance.now()
  const offered = agent
    .next('task.offer', () => true)
    .then((offer) => ({ offer, ms: performance.now() - startMs }))
  await server.client.submit(new Blob([new Uint8Array(BODY_BYTES)]), 'bench.wav')
  const answerMs = performance.now() - startMs
  const { offer, ms } = await offered
  agent.send({ type: 'task.accept', task_id: offer.task_id, fence: offer.fence })
  return { offerMs: ms, answerMs }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}
