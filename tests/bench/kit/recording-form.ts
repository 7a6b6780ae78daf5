import { CreatedJob } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import type { BenchServer } from './bench-server.ts'
import { type HttpAnswer, httpCall } from './http-call.ts'

const BOUNDARY = 'dalston-bench-boundary'

/** A form with a recording of so many bytes, as any client sends it: one write, so the last byte leaves with the first. */
export interface RecordingForm {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export function recordingForm(sizeBytes: number): RecordingForm {
  const head = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="bench.wav"\r\n\r\n`
  const body = Buffer.concat([
    Buffer.from(head),
    Buffer.alloc(sizeBytes, 7),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ])
  return { headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }, body }
}

export async function submitForm(
  { host }: BenchServer,
  { headers, body }: RecordingForm,
): Promise<HttpAnswer & { readonly jobId: JobId }> {
  const url = `${host.address}/v1/audio/transcriptions`
  const key = { authorization: `Bearer ${host.apiKey}` }
  const answer = await httpCall({ method: 'POST', url, headers: { ...headers, ...key }, body })
  if (answer.status !== 201)
    throw new Error(`submit was answered ${answer.status}: ${answer.text.slice(0, 300)}`)
  return { ...answer, jobId: CreatedJob.parse(JSON.parse(answer.text)).id }
}
