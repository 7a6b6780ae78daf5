import { describe, expect, it } from 'vitest'
import { parseConfig, UsageError } from '#agent/config.ts'

const SERVER = ['--server', 'http://127.0.0.1:8787']

describe('[AM22] models on the command line', () => {
  it('flags, environment and defaults', () => {
    expect(parseConfig(SERVER, {})).toMatchObject({
      hub: { endpoints: ['https://huggingface.co'], token: null, tokenFile: null },
      modelsLimitBytes: null,
      labels: [],
    })
    const env = { HF_ENDPOINT: 'https://hub.example/', HF_TOKEN: 'hf_x' }
    expect(parseConfig(SERVER, env).hub).toMatchObject({
      endpoints: ['https://hub.example'],
      token: 'hf_x',
    })
    const flags = [
      '--hub',
      'https://a.example',
      '--hub',
      'http://b.example/',
      '--label',
      'gpu',
      '--label',
      'office',
    ]
    const more = ['--hub-token-file', '/secrets/hub', '--models-limit-gib', '20']
    expect(parseConfig([...SERVER, ...flags, ...more], env)).toMatchObject({
      hub: { endpoints: ['https://a.example', 'http://b.example'], tokenFile: '/secrets/hub' },
      modelsLimitBytes: 20 * 1024 ** 3,
      labels: ['gpu', 'office'],
    })
  })

  it.each([
    { flags: ['--hub', 'ftp://hub'], env: {}, says: '--hub: expected the address of a hub' },
    {
      flags: ['--hub', 'https://me:secret@hub'],
      env: {},
      says: '--hub: expected an address without a password',
    },
    { flags: ['--models-limit-gib', 'many'], env: {}, says: '--models-limit-gib: expected a whole number' },
    { flags: ['--label', 'My Box'], env: {}, says: '--label: expected a label such as gpu' },
    { flags: [], env: { HF_TOKEN: 'secret token' }, says: 'HF_TOKEN: expected a token' },
  ])('$says', ({ flags, env, says }) => {
    const parse = () => parseConfig([...SERVER, ...flags], env)
    expect(parse).toThrow(UsageError)
    expect(parse).toThrow(says)
    expect(parse).not.toThrow('secret')
  })
})
