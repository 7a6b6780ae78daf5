import type { Segment } from '#protocol/transcript.ts'
import { UnreadableArtifact } from './document.ts'

/** R2 objects. Keys are made in core (`outputPrefix`, `uploadKey`); here they are read, written and deleted. */
export async function deletePrefix(bucket: R2Bucket, prefix: string): Promise<void> {
  for (;;) {
    const page = await bucket.list({ prefix, limit: 1000 })
    if (page.objects.length === 0) return
    await bucket.delete(page.objects.map((object) => object.key))
  }
}

/** A line is a segment or a span: one that is longer than this was not written by an engine of ours. */
const MAX_LINE_LENGTH = 1024 * 1024

/** The lines of a JSON Lines object, as they come; memory holds one chunk and one line. @throws UnreadableArtifact */
export async function* readLines(bucket: R2Bucket, key: string): AsyncGenerator<string> {
  const object = await bucket.get(key)
  if (object === null) throw new UnreadableArtifact(`the artifact ${key} is not there`)
  let rest = ''
  for await (const text of object.body.pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE_LENGTH) {
      throw new UnreadableArtifact(
        `the artifact ${key} has a line of more than ${MAX_LINE_LENGTH} characters`,
      )
    }
    yield* lines
  }
  if (rest !== '') yield rest
}

/** The segments of a merged transcript: Merge wrote them, so that they are not examined again at every read. */
export async function* readMergedSegments(bucket: R2Bucket, key: string): AsyncGenerator<Segment> {
  // Each line is the JSON of a segment that was parsed before it was written.
  for await (const line of readLines(bucket, key)) yield JSON.parse(line) as Segment
}
