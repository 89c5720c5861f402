#!/usr/bin/env bash
# A CI stage: ci-stage.sh CAPTURE HOST:PORT [further options]
# Ends with 0 when every threshold held, 99 when one failed; see the exit codes in docs/ci.md.
# report/ is the artefact: junit.xml for the test view, summary.md for people, result.json to compare.
set -euo pipefail
capture=${1:?usage: ci-stage.sh CAPTURE HOST:PORT [options]}
target=${2:?usage: ci-stage.sh CAPTURE HOST:PORT [options]}
gryphon=${GRYPHON:-gryphon}

code=0
$gryphon replay "$capture" --target "$target" --users 200 --accel 2 --seed 1 --out report \
  --threshold 'errors:rate<0.1%' --threshold 'response:p(99)<500ms' --threshold 'lag:p(99)<50ms' \
  "${@:3}" || code=$?
if [[ -n ${GITHUB_STEP_SUMMARY:-} && -e report/summary.md ]]; then
  cat report/summary.md >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
