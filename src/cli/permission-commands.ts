// The commands that say who may have what.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from '../base/units.ts'
import { each, type Run } from './commands.ts'

interface PermissionFlags {
  permission?: string
  peer?: string[]
  group?: string[]
  known?: boolean
  expires?: number
}

const WHO = 'public, private (own devices), restricted (--peer) or friends (--group)'

/** The options by which a command says with whom. */
export function withPermission(command: Command, permission: Option): Command {
  return command
    .addOption(permission)
    .option('--peer <id>', 'with restricted: a peer that may have it; may be repeated', each)
    .option('--group <name>', 'with friends: a group whose members may have it; may be repeated', each)
    .option('--known', 'with restricted: others may know that it exists')
    .option('--expires <time>', 'private again after a time such as 12h or 30d', duration)
}

export function permissionOption(): Option {
  return new Option('--permission <who>', WHO)
}

/** What an operation takes for these options. */
export function permissionInput({ permission, peer, group, known, expires }: PermissionFlags): Record<string, unknown> {
  return {
    ...(permission === undefined ? {} : { permission }),
    ...(peer ? { peers: peer } : {}),
    ...(group ? { groups: group } : {}),
    ...(known ? { known } : {}),
    ...(expires === undefined ? {} : { expiresInMs: expires }),
  }
}

export function permissionCommands(program: Command, run: Run): void {
  const share = program
    .command('share')
    .description('say who may have what this node published; it holds from the next request on')
    .argument('<subject>', 'pkg:npm/name@1.0.0 for one release; pkg:npm/name or "pkg:npm/@scope/*" for all of these')
    .addHelpText('after', SHARE_HELP)
  withPermission(share, permissionOption().makeOptionMandatory()).action((subject: string, flags: PermissionFlags) =>
    run('share', { subject, ...permissionInput(flags) }),
  )
  program
    .command('unshare')
    .description('keep it to this publisher’s own devices')
    .argument('<subject>', 'a release or a glob, as with "catalog share"')
    .action((subject: string) => run('unshare', { subject }))
  groupCommands(program, run)
  deviceCommands(program, run)
}

const SHARE_HELP = `
A share of one release goes before one of its name, and a name before a glob. A release that was published with
--permission has a share of its own. "anonymous" and "verified" are not there yet.

Examples: catalog share pkg:npm/name@1.0.0 --permission restricted --peer 12D3KooW…
          catalog share "pkg:npm/@corp/*" --permission friends --group team --expires 30d`

function groupCommands(program: Command, run: Run): void {
  const group = program.command('group').description('groups of friends, for "--permission friends"')
  group
    .command('list', { isDefault: true })
    .description('all groups')
    .action(() => run('groups', {}))
  group
    .command('show')
    .description('the members of a group')
    .argument('<name>', 'its name or id')
    .action((name: string) => run('group', { name }))
  group
    .command('create')
    .description('make a group; members are told its name')
    .argument('<name>', 'such as "team"')
    .action((name: string) => run('createGroup', { name }))
  const member = 'a peer id, or publisher:<id> for all devices of one'
  group
    .command('add')
    .description('let members in; each is told who the others are')
    .argument('<name>', 'name or id of the group')
    .argument('<member...>', member)
    .action((name: string, members: string[]) => run('addToGroup', { name, members }))
  group
    .command('remove')
    .description('shut members out; what they have already they keep')
    .argument('<name>', 'name or id of the group')
    .argument('<member...>', member)
    .action((name: string, members: string[]) => run('removeFromGroup', { name, members }))
}

function deviceCommands(program: Command, run: Run): void {
  const device = program.command('device').description('the nodes of this publisher, which may have what is private')
  device
    .command('list', { isDefault: true })
    .description('all devices')
    .action(() => run('devices', {}))
  device
    .command('add')
    .description('let a node have what is private')
    .argument('[peer]', 'its peer id, as "catalog status" shows it there; this node by default')
    .action((peer: string | undefined) => run('addDevice', peer === undefined ? {} : { peer }))
  device
    .command('remove')
    .description('let it have no more; what it has already it keeps')
    .argument('<peer>', 'its peer id')
    .action((peer: string) => run('removeDevice', { peer }))
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('It must be a time such as 90m, 12h or 30d.')
  return ms
}
