"""One module for each Lambda function: decorators and one call each."""

from jobledger import init_phase

# Before the imports of any handler. Each handler ends the phase with `init_phase.finish`.
init_phase.begin()
