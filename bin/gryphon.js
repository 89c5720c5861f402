#!/usr/bin/env node
import { processContext } from '../dist/cli/context.js';
import { main } from '../dist/cli/main.js';

// Whatever else is still open (a thread that is ending) is not waited for.
process.exit(await main(processContext()));
