// What goes wrong on the way over the bulk plane.
import { testProviderFaults } from './provider-faults.ts'

testProviderFaults('bulk')
