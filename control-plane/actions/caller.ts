import type { Pool, TenantId } from '#protocol/ids.ts'

/** Who asks: the owner of an API key (or of a console session that stands for one). */
export interface Caller {
  readonly keyId: string
  readonly tenantId: TenantId
  readonly pool: Pool
}
