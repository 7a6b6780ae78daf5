import type { BenchServer } from '../kit/bench-server.ts'
import { type RecordingForm, submitForm } from '../kit/recording-form.ts'
import type { WorkingAgent } from '../kit/working-agent.ts'

/** One submit with nothing beside it: from its last byte to the answer and to the offer, by this side's clock. */
export interface Offered {
  readonly offerMs: number
  readonly answerMs: number
}

/** Submits, and resolves when the job is over: its agents refuse it, so that nothing of it runs beside the next one. */
export async function submitAlone(
  server: BenchServer,
  agents: readonly WorkingAgent[],
  form: RecordingForm,
): Promise<Offered> {
  const over = Promise.withResolvers<void>()
  let offeredAtMs = Number.NaN
  for (const agent of agents) {
    agent.onOffer = (_offer, atMs) => {
      offeredAtMs = atMs
    }
    agent.onAck = () => over.resolve()
  }
  const { sentAtMs, answeredAtMs } = await submitForm(server, form)
  await over.promise
  return { offerMs: offeredAtMs - sentAtMs, answerMs: answeredAtMs - sentAtMs }
}
