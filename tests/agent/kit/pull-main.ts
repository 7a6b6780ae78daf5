import { Models } from '#agent/models/models.ts'

/** Pulls one model, and says each number of bytes on a line: for a test that kills it. */
const [dataFolder = '', endpoint = '', modelId = ''] = process.argv.slice(2)
const models = await Models.open({
  rootFolder: dataFolder,
  dataFolder,
  modelsLimitBytes: null,
  hub: { endpoints: [endpoint], token: null, tokenFile: null },
  nowMs: Date.now,
  random: Math.random,
  log: () => {},
})
await models.pull(await models.entryOf(modelId), ({ progress }) => {
  if (progress !== null) process.stdout.write(`${progress.bytesDone}\n`)
})
await models.stop()
