import type { FileHandle } from 'node:fs/promises'
import type { SpeechRegion } from '#protocol/audio.ts'
import { bytesOf } from '../audio/s16.ts'
import { SpeechDetector } from '../audio/speech-detector.ts'
import { channelName } from '../engine.ts'

interface ChannelFile {
  readonly detector: SpeechDetector
  readonly audio: FileHandle
  readonly speech: FileHandle
}

/** `audio.ch<n>.s16` and `speech.ch<n>.jsonl` of each channel, opened when the first samples tell how many there are. */
export class ChannelFiles {
  readonly #openOutput: (name: string) => Promise<FileHandle>
  readonly #channels: ChannelFile[] = []

  constructor(openOutput: (name: string) => Promise<FileHandle>) {
    this.#openOutput = openOutput
  }

  get count(): number {
    return this.#channels.length
  }

  async push(channels: readonly Int16Array[]): Promise<void> {
    for (const [channel, samples] of channels.entries()) {
      const { detector, audio, speech } = await this.#channel(channel)
      await audio.writeFile(bytesOf(samples))
      await writeRegions(speech, detector.push(samples))
    }
  }

  async flush(): Promise<void> {
    for (const { detector, speech } of this.#channels) await writeRegions(speech, detector.flush())
  }

  async #channel(channel: number): Promise<ChannelFile> {
    const known = this.#channels[channel]
    if (known !== undefined) return known
    const opened = {
      detector: new SpeechDetector(),
      audio: await this.#openOutput(channelName('audio.s16', channel)),
      speech: await this.#openOutput(channelName('speech.jsonl', channel)),
    }
    this.#channels.push(opened)
    return opened
  }
}

export async function writeRegions(file: FileHandle, regions: readonly SpeechRegion[]): Promise<void> {
  if (regions.length > 0)
    await file.writeFile(regions.map((region) => `${JSON.stringify(region)}\n`).join(''))
}
