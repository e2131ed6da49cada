import { test } from 'tap'
import { type Format, settingsText } from '../../../../src/cli/setup/settings-text.ts'

/** The text once values are set; nothing takes a key away. */
function changed(format: Format, text: string, ...values: [string[], unknown][]): string {
  const settings = settingsText(format, text, 'a file')
  for (const [key, value] of values) settings.set(key, value)
  return settings.toString()
}

test('a line of npm is changed where it stands, and the last of several counts', async (t) => {
  const text = '; mine\nregistry = "http://a/"\n# and\n//a/:_authToken=$TOKEN\nregistry=http://b/\ncafile[]=x\n'
  t.equal(settingsText('npmrc', text, '').get(['registry']), 'http://b/')
  t.equal(settingsText('npmrc', text, '').get(['//a/:_authToken']), '$TOKEN')
  t.equal(settingsText('npmrc', text, '').get(['cafile']), undefined)
  t.equal(changed('npmrc', text, [['registry'], 'http://c/']), text.replace('http://b/', 'http://c/'))
  t.equal(changed('npmrc', text, [['registry'], undefined]), text.replace('registry=http://b/\n', ''))
  t.equal(changed('npmrc', text, [['save-exact'], 'true']), `${text}save-exact=true\n`)
  t.equal(changed('npmrc', 'a=1', [['b'], '2']), 'a=1\nb=2\n', 'also where the last line is not ended')
  t.equal(changed('npmrc', 'a=1\r\n', [['b'], '2']), 'a=1\r\nb=2\r\n')
  t.equal(changed('npmrc', 'a=1\n[b]\nc=2\n', [['c'], '3']), 'a=1\nc=3\n[b]\nc=2\n', 'sections are for others')
  t.equal(changed('npmrc', ';a=1\n#a=1\n', [['a'], '2']), ';a=1\n#a=1\na=2\n', 'a comment sets nothing')
})

test('TOML gets a string', async (t) => {
  t.equal(
    changed('toml', '# mine\nhttp-port = 1\n', [['upstream'], 'http://a/']),
    '# mine\nhttp-port = 1\nupstream = "http://a/"\n',
  )
})

test('YAML keeps its comments, and loses maps with their last key', async (t) => {
  const text = '# mine\nnodeLinker: node-modules # because\nnpmRegistries:\n  //a:\n    npmAuthToken: x\n'
  const key = ['npmRegistries', '//b', 'npmAuthToken']
  const more = changed('yaml', text, [key, 'y'], [['unsafeHttpWhitelist'], ['b']])
  t.match(more, '# mine\nnodeLinker: node-modules # because\n')
  t.strictSame(settingsText('yaml', more, '').get(['unsafeHttpWhitelist']), ['b'])
  t.equal(settingsText('yaml', more, '').get(key), 'y')
  t.equal(changed('yaml', more, [key, undefined], [['unsafeHttpWhitelist'], undefined]), text)
  t.equal(changed('yaml', changed('yaml', '', [key, 'y']), [key, undefined]).trim(), '{}')
  t.equal(settingsText('yaml', '', '').get(key), undefined)
  for (const bad of ['- a\n', 'a: b: c\n']) t.throws(() => settingsText('yaml', bad, 'f'), { code: 'CONFIG_INVALID' })
})
