// The built Worker, with everything counted that Cloudflare bills: rows, requests to objects, time for which an object is
// awake, D1 and R2 operations. Workers and objects of one process share this module, so the counts are one plain object.
import product, * as real from './product.js'

export * from './product.js'

const counts = {}
/** Fences that are over: their rows are deleted ten minutes later, which is billed too and which no bench waits for. */
const remembered = new Set()

export class Job extends counting(real.Job, 'job') {}
export class Registry extends counting(real.Registry, 'registry') {}
export class Merge extends real.Merge {
  constructor(context, env) {
    super(context, countedEnv(env, null))
  }
}
export class Copy extends real.Copy {
  constructor(context, env) {
    super(context, countedEnv(env, null))
  }
}

const envs = new WeakMap()

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === '/v1/bench/counts') {
      return Response.json({ ...counts, 'rows|registry|over, its later delete': remembered.size })
    }
    add('requests|worker|fetch', 1)
    if (!envs.has(env)) envs.set(env, countedEnv(env, null))
    return product.fetch(request, envs.get(env), context)
  },
}

function add(name, amount) {
  counts[name] = (counts[name] ?? 0) + amount
}

/** A subclass that counts what reaches the object and what it does, from its constructor on. */
function counting(Base, kind) {
  class Counting extends Base {
    constructor(context, env) {
      const awake = new Awake(kind)
      countStorage(context.storage, kind)
      countExports(context, awake)
      super(context, countedEnv(env, awake))
      this.benchAwake = awake
    }
  }
  for (const name of Object.getOwnPropertyNames(Base.prototype)) {
    if (name === 'constructor') continue
    const method = Base.prototype[name]
    Counting.prototype[name] = function (...parameters) {
      add(`requests|${kind}|${name}`, name.startsWith('webSocket') ? 1 / 20 : 1)
      const { storage } = this.ctx
      // The answer leaves when the write is on disk: until then the object is not idle.
      const work = async () => {
        try {
          return await result
        } finally {
          await storage.sync()
        }
      }
      this.benchAwake.begin()
      let result
      try {
        result = method.apply(this, parameters)
      } finally {
        work().then(
          () => this.benchAwake.end(),
          () => this.benchAwake.end(),
        )
      }
      return result
    }
  }
  return Counting
}

/** An object is billed while an event or a call that it made is under way; overlapping ones count once. */
class Awake {
  #kind
  #open = 0
  #sinceMs = 0
  constructor(kind) {
    this.#kind = kind
  }
  begin() {
    if (this.#open++ === 0) this.#sinceMs = Date.now()
  }
  end() {
    if (--this.#open === 0) add(`awake_ms|${this.#kind}|`, Date.now() - this.#sinceMs)
  }
}

/** While a timer is set its object does not hibernate; what else keeps it awake meanwhile is counted beside it. */
const timers = new Map()
const { setTimeout: set, clearTimeout: clear } = globalThis
globalThis.setTimeout = (ring, afterMs) => {
  const timer = set(() => {
    ended(timer)
    ring()
  }, afterMs)
  timers.set(timer, Date.now())
  return timer
}
globalThis.clearTimeout = (timer) => {
  ended(timer)
  clear(timer)
}

function ended(timer) {
  if (timers.has(timer)) add('awake_ms|timers|', Date.now() - timers.get(timer))
  timers.delete(timer)
}

function countStorage(storage, kind) {
  const { sql } = storage
  const exec = sql.exec.bind(sql)
  Object.defineProperty(sql, 'exec', {
    value(query, ...bindings) {
      const cursor = exec(query, ...bindings)
      add(`rows|${kind}|${recordOf(kind, query, bindings)}`, cursor.rowsWritten)
      add(`reads|${kind}|`, cursor.rowsRead)
      return cursor
    },
  })
  const setAlarm = storage.setAlarm.bind(storage)
  Object.defineProperty(storage, 'setAlarm', {
    value(atMs) {
      add(`rows|${kind}|alarm set`, 1)
      return setAlarm(atMs)
    },
  })
}

/** Which record a statement writes: the kind of the table `records`, and of a task where it is. */
function recordOf(kind, query, bindings) {
  if (!/^(INSERT|DELETE|UPDATE)/.test(query)) return query.startsWith('CREATE') ? 'create table' : 'read'
  const [record, id, json] = bindings
  const name = typeof record === 'string' ? record : 'other'
  if (kind === 'registry' && name === 'task') return taskRecord(id, json)
  return query.startsWith('DELETE') ? `${name}, deleted` : name
}

function taskRecord(id, json) {
  if (typeof json !== 'string') {
    remembered.delete(id)
    return 'task, deleted'
  }
  const { at } = JSON.parse(json)
  if (at === 'over') remembered.add(id)
  else remembered.delete(id)
  return at === 'over' ? 'over' : `task ${at}`
}

function countExports(context, awake) {
  const { exports } = context
  const get = (_, name) => wrapped(exports[name], (method) => `${name}.${method}`, awake)
  Object.defineProperty(context, 'exports', { value: new Proxy(exports, { get }) })
}

function countedEnv(env, awake) {
  const objects = (namespace, name) => ({
    getByName: (id) => wrapped(namespace.getByName(id), (method) => `${name}.${method}`, awake),
  })
  return {
    ...env,
    DB: countedDatabase(env.DB, awake),
    BUCKET: countedBucket(env.BUCKET, awake),
    JOB: objects(env.JOB, 'Job'),
    REGISTRY: objects(env.REGISTRY, 'Registry'),
  }
}

/** Every method of `target`, timed by the caller's clock. */
function wrapped(target, nameOf, awake) {
  return new Proxy(target, {
    get: (_, method) =>
      method === 'then'
        ? undefined
        : (...parameters) => timed(nameOf(method), awake, () => target[method](...parameters)),
  })
}

async function timed(name, awake, call) {
  const startedMs = Date.now()
  awake?.begin()
  try {
    return await call()
  } finally {
    awake?.end()
    add(`calls|${name}|count`, 1)
    add(`calls|${name}|ms`, Date.now() - startedMs)
  }
}

function countedBucket(bucket, awake) {
  const CLASSES = { put: 'a', list: 'a', createMultipartUpload: 'a', get: 'b', head: 'b' }
  return new Proxy(bucket, {
    get: (_, method) => {
      const value = bucket[method]
      if (CLASSES[method] === undefined) return typeof value === 'function' ? value.bind(bucket) : value
      return (...parameters) => {
        add(`r2|${CLASSES[method]}|${method}`, 1)
        return timed(`R2.${method}`, awake, () => bucket[method](...parameters))
      }
    },
  })
}

function countedDatabase(database, awake) {
  const statement = (query, inner) => {
    const run = () => timed(`D1 ${queryName(query)}`, awake, () => inner.all()).then(counted(query))
    return {
      query,
      inner,
      bind: (...values) => statement(query, inner.bind(...values)),
      run,
      all: run,
      // Drizzle asks for rows as arrays, which come without their bill; no query of ours names a column twice.
      raw: async () => (await run()).results.map((row) => Object.values(row)),
      first: async (column) => {
        const row = (await run()).results[0] ?? null
        return row === null || column === undefined ? row : row[column]
      },
    }
  }
  return {
    prepare: (query) => statement(query, database.prepare(query)),
    batch: async (statements) => {
      const results = await timed('D1 batch', awake, () =>
        database.batch(statements.map(({ inner }) => inner)),
      )
      results.forEach((result, index) => {
        counted(statements[index].query)(result)
      })
      return results
    },
  }
}

function counted(query) {
  return (result) => {
    add(`rows|d1|${queryName(query)}`, result.meta.rows_written)
    add('reads|d1|', result.meta.rows_read)
    return result
  }
}

/** Such as `insert jobs`. */
function queryName(query) {
  const verb = /^\s*(\w+)/.exec(query)?.[1] ?? '?'
  const table = /(?:from|into|update)\s+"?(\w+)/i.exec(query)?.[1] ?? ''
  return `${verb.toLowerCase()} ${table}`.trim()
}
