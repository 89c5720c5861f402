#!/usr/bin/env bash
# A CI stage: stage.sh CAPTURE HOST:PORT [OPTION…]
# Plays the capture, holds thresholds, compares with a stored result, and leaves all reports in report/.
# Ends with 0 when every threshold held, 99 when one failed; see the exit codes in docs/ci.md.
#   BASELINE   an earlier result.json; where it is there, TOLERANCE says how much slower is a regression
#   TOLERANCE  of the median response time; 25% by default. Tails of single runs differ by far more: give
#              them a limit of their own, --threshold 'response:p(99)<50ms'
#   REPORT     the folder; report by default
set -euo pipefail
capture=${1:?usage: stage.sh CAPTURE HOST:PORT [OPTION…]}
target=${2:?usage: stage.sh CAPTURE HOST:PORT [OPTION…]}
gryphon=${GRYPHON:-gryphon}
report=${REPORT:-report}
tolerance=${TOLERANCE:-25%}

limits=(--threshold 'errors:rate<0.1%' --threshold 'lag:p(99)<50ms')
if [[ -n ${BASELINE:-} && -e $BASELINE ]]; then
  limits+=(--baseline "$BASELINE" --threshold "response:p(50)<+$tolerance")
fi

# In a GitHub job the summary and the annotations are written by gryphon itself.
code=0
$gryphon replay "$capture" --target "$target" --seed 1 --out "$report" "${limits[@]}" "${@:3}" || code=$?

# What has changed since then, for people; the verdict was given above.
if [[ -n ${BASELINE:-} && -e $BASELINE && -e $report/result.json ]]; then
  $gryphon compare "$BASELINE" "$report/result.json" \
    --html "$report/comparison.html" --markdown "$report/comparison.md" || true
fi
exit "$code"
