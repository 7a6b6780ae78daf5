import { DEFAULT_SETTINGS, type Settings } from '#protocol/settings.ts'

/** The operator's settings as the machines read them: milliseconds, and nothing to parse. */
export interface CoreSettings {
  /** The intervals that the server dictates to agents: hello is answered with them. */
  readonly heartbeatMs: number
  readonly leaseMs: number
  readonly leaseExtendMs: number
  readonly resultAckMs: number
  readonly suspectMs: number
  /** Also how long an engine that vanished counts as there: a restart is not an outage. */
  readonly offlineMs: number
  readonly offerMs: number
  readonly startMs: number
  readonly inquiryMs: number
  readonly retryDelayMs: number
  readonly retryDelayMaxMs: number
  /** Null: each stage's own budget. */
  readonly maxRetries: number | null
  readonly runLimitFactor: number
  readonly runLimitFloorMs: number
  readonly runLimitUnknownMs: number
  readonly jobLimitMs: number
  readonly agingMs: number
  /** Orders about models that may wait on one agent. */
  readonly modelQueueLimit: number
  /** Whether a job may have the model pulled that it lacks. */
  readonly modelsAutoPull: boolean
  /** Where traces go; null: nowhere. */
  readonly otlpEndpoint: string | null
}

export function coreSettings(settings: Settings): CoreSettings {
  const ms = (seconds: number) => Math.round(seconds * 1000)
  return {
    heartbeatMs: ms(settings.heartbeat_seconds),
    leaseMs: ms(settings.lease_seconds),
    leaseExtendMs: ms(settings.lease_extend_seconds),
    resultAckMs: ms(settings.result_ack_seconds),
    suspectMs: ms(settings.suspect_seconds),
    offlineMs: ms(settings.offline_seconds),
    offerMs: ms(settings.offer_seconds),
    startMs: ms(settings.start_seconds),
    inquiryMs: ms(settings.inquiry_seconds),
    retryDelayMs: ms(settings.retry_delay_seconds),
    retryDelayMaxMs: ms(settings.retry_delay_max_seconds),
    maxRetries: settings.max_retries,
    runLimitFactor: settings.run_limit_factor,
    runLimitFloorMs: ms(settings.run_limit_floor_seconds),
    runLimitUnknownMs: ms(settings.run_limit_unknown_seconds),
    jobLimitMs: ms(settings.job_limit_seconds),
    agingMs: ms(settings.aging_seconds),
    modelQueueLimit: settings.model_queue_limit,
    modelsAutoPull: settings.models_auto_pull === 'on',
    otlpEndpoint: settings.otlp_endpoint,
  }
}

export const DEFAULTS: CoreSettings = coreSettings(DEFAULT_SETTINGS)
