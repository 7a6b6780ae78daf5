// After an install: makes `node_modules/.bin/node` the Node that npm brought along, so that npm scripts run on it. npm 10
// links none of two packages that bring the same program, though only one of them fits this machine.
import { existsSync, symlinkSync } from 'node:fs'

const folder = new URL('../node_modules/', import.meta.url)
const program = `node-${process.platform}-${process.arch}/bin/node`
const link = new URL('.bin/node', folder)
if (existsSync(new URL(program, folder)) && !existsSync(link)) symlinkSync(`../${program}`, link)
