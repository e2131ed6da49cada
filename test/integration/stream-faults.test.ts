// What goes wrong on the way over libp2p streams: of the peers none has a bulk plane, since its port is taken.
import { testProviderFaults } from './provider-faults.ts'

testProviderFaults('stream')
