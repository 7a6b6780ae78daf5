import { openSession } from '#engines/onnx/runtime.ts'

/** A program: at each message it opens a session of the model that it was started with, and says how many ms that took. */
const [path = ''] = process.argv.slice(2)

process.on('disconnect', () => process.exit(0))
process.on('message', async () => {
  const startMs = performance.now()
  const session = await openSession(path, { threads: 1 })
  process.send?.(performance.now() - startMs)
  await session.release()
})
