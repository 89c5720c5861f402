#!/usr/bin/env bash
# Plays a run that is written down in a file: config.sh CONFIG [OPTION…]
# run.yaml beside this script is one to begin with; options behind it go first. No root is needed for it.
set -euo pipefail
config=${1:?usage: config.sh CONFIG [OPTION…]}
shift
gryphon=${GRYPHON:-gryphon}

# What the plan is made of, and where each option comes from.
$gryphon replay --config "$config" "$@" --dry-run
$gryphon replay --config "$config" "$@"
