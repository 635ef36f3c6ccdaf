// The model as JSON: docs/model.md names every member and shows what is
// written, and what it calls things in C is what the headers declare.
'use strict'
const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { execFileSync } = require('node:child_process')

const page = fs.readFileSync(path.join(__dirname, '../../docs/model.md'), 'utf8')
const models = fs.readdirSync(__dirname, { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(entry => entry.name)
  .filter(name => fs.existsSync(path.join(__dirname, name, name + '.model.json')))

const read = (name, file) => fs.readFileSync(path.join(__dirname, name, file), 'utf8')
const parse = name => JSON.parse(read(name, name + '.model.json'))

// Every object of a model, but for the defaults, which are anything.
function * objects (value) {
  if (Array.isArray(value)) {
    for (const item of value) yield * objects(item)
  } else if (value !== null && typeof value === 'object') {
    yield value
    for (const [key, member] of Object.entries(value)) {
      if (key !== 'default') yield * objects(member)
    }
  }
}

// What differs between versions, and what there is none of.
function normal (model) {
  return Object.fromEntries(Object.entries(model)
    .filter(([key, value]) => key !== 'zocketc' && !(Array.isArray(value) && value.length === 0)))
}

test('there are models', () => assert.ok(models.length >= 3))

test('the example of the page', () => {
  const schema = /^```zkt\n([^]*?)^```$/m.exec(page)[1]
  const shown = /^```json\n([^]*?)^```$/m.exec(page)[1]
  const written = execFileSync(process.env.ZOCKETC,
    ['--model', '-', '--name', 'counter.zkt', '-'], { input: schema, encoding: 'utf8' })
  assert.deepStrictEqual(normal(JSON.parse(written)), normal(JSON.parse(shown)))
})

for (const name of models) {
  test(`${name}: every member and kind is on the page`, () => {
    for (const object of objects(parse(name))) {
      for (const key of Object.keys(object)) {
        assert.ok(page.includes('`' + key + '`'), key)
      }
      if (object.kind !== undefined) {
        assert.ok(page.includes('`' + object.kind + '`'), object.kind)
      }
    }
  })

  test(`${name}: names in C are those of the header`, () => {
    const model = parse(name)
    const shared = read(name, `${name}_types.h`)
    const server = read(name, `${name}_server.h`)
    for (const s of model.structs) {
      const header = s.private ? server : shared
      if (s.private) assert.doesNotMatch(shared, new RegExp(`\\b${s.c}\\b`))
      assert.match(header, new RegExp(`^struct ${s.c} \\{$`, 'm'))
      for (const f of s.fields) {
        const declared = f.type.kind === 'literal' ? `^#define ${f.c} .` : `\\b${f.c};$`
        assert.match(header, new RegExp(declared, 'm'))
      }
    }
    for (const e of model.enums) {
      const header = e.private ? server : shared
      assert.match(header, new RegExp(`^enum ${e.c} \\{$`, 'm'))
      for (const v of e.values) assert.match(header, new RegExp(`^ +${v.c}\\b`, 'm'))
    }
    for (const actor of model.actors) {
      if (actor.state) assert.match(shared, new RegExp(`^struct ${actor.state.c} \\{$`, 'm'))
    }
  })

  test(`${name}: types are declared`, () => {
    const model = parse(name)
    const lists = { enum: model.enums, struct: model.structs, union: model.unions }
    for (const object of objects(model)) {
      if (object.kind in lists) {
        assert.ok(lists[object.kind].some(declared => declared.name === object.name), object.name)
      }
    }
  })
}
