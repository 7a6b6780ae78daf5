/** R2 objects. Keys are made in core (`outputPrefix`, `uploadKey`); here they are read, written and deleted. */
export async function deletePrefix(bucket: R2Bucket, prefix: string): Promise<void> {
  for (;;) {
    const page = await bucket.list({ prefix, limit: 1000 })
    if (page.objects.length === 0) return
    await bucket.delete(page.objects.map((object) => object.key))
  }
}

/** The lines of a JSON Lines object, as they come; memory holds one chunk and one line. */
export async function* readLines(bucket: R2Bucket, key: string): AsyncGenerator<string> {
  const object = await bucket.get(key)
  if (object === null) throw new Error(`the artifact ${key} is not there`)
  let rest = ''
  for await (const text of object.body.pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
