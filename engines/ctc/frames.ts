import { SAMPLE_RATE_HZ, type SpeechRegion } from '#protocol/audio.ts'
import type { ModelConfig } from './model-config.ts'

/**
 * The network's outputs ("frames") are numbered from the start of the recording: frame i stands for the sound around
 * `center + i · frame_seconds`. Everything between the audio and the words counts in frames. Pure.
 */
export interface FrameGrid {
  readonly samplesPerFrame: number
  readonly frameSeconds: number
  readonly firstCenterSeconds: number
  /** How many frames to each side one frame depends on. */
  readonly contextFrames: number
}

export function frameGrid(config: ModelConfig): FrameGrid {
  return {
    samplesPerFrame: Math.round(config.frame_seconds * SAMPLE_RATE_HZ),
    frameSeconds: config.frame_seconds,
    firstCenterSeconds: config.first_frame_center_seconds,
    contextFrames: Math.ceil(config.context_seconds / config.frame_seconds - 1e-9),
  }
}

/** Frames from `from` to `to`, end exclusive. */
export interface FrameRange {
  readonly from: number
  readonly to: number
}

/** Where a frame's share of the sound begins and ends, in seconds. */
export function frameStart(grid: FrameGrid, frame: number): number {
  return Math.max(0, grid.firstCenterSeconds + (frame - 0.5) * grid.frameSeconds)
}

/**
 * Speech regions as stretches of frames for the network, in order, inside `limits` (seconds). Regions closer together than
 * twice the context become one stretch: to compute the gap costs less than to compute both contexts.
 */
export async function* stretches(
  regions: AsyncIterable<SpeechRegion>,
  grid: FrameGrid,
  limits: SpeechRegion,
): AsyncGenerator<FrameRange> {
  const first = Math.ceil(limits.start / grid.frameSeconds - 1e-9)
  const end = Math.floor(limits.end / grid.frameSeconds + 1e-9)
  let open: FrameRange | null = null
  for await (const region of regions) {
    const from = Math.max(first, frameAt(grid, region.start))
    const to = Math.min(end, frameAt(grid, region.end) + 1)
    if (to <= from) continue
    if (open !== null && from - open.to <= 2 * grid.contextFrames) {
      open = { from: open.from, to: Math.max(open.to, to) }
      continue
    }
    if (open !== null) yield open
    open = { from, to }
  }
  if (open !== null) yield open
}

/** A stretch in equal windows of at most `mostFrames`. */
export function windowsOf(stretch: FrameRange, mostFrames: number): FrameRange[] {
  const frames = stretch.to - stretch.from
  const count = Math.ceil(frames / mostFrames)
  return Array.from({ length: count }, (_, index) => ({
    from: stretch.from + Math.floor((frames * index) / count),
    to: stretch.from + Math.floor((frames * (index + 1)) / count),
  }))
}

/** The samples that the network must hear for a window's frames to be what the whole recording gives, and its first frame. */
export function audioOf(
  window: FrameRange,
  grid: FrameGrid,
): { fromSample: number; toSample: number; firstFrame: number } {
  const firstFrame = Math.max(0, window.from - grid.contextFrames)
  const lastCenter = grid.firstCenterSeconds + (window.to - 1) * grid.frameSeconds
  const reach = grid.contextFrames * grid.frameSeconds + grid.firstCenterSeconds
  return {
    fromSample: firstFrame * grid.samplesPerFrame,
    toSample: Math.ceil((lastCenter + reach) * SAMPLE_RATE_HZ) + grid.samplesPerFrame,
    firstFrame,
  }
}

/** The frame whose share of the sound holds a moment. */
function frameAt(grid: FrameGrid, seconds: number): number {
  return Math.max(0, Math.round((seconds - grid.firstCenterSeconds) / grid.frameSeconds))
}
