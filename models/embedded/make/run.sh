#!/bin/sh
# Remakes the embedded model from nothing: sentences, speech, language model, samples, training, evaluation, export.
# Usage: run.sh [WORK_FOLDER] [train.py options]; default work folder: $DALSTON_EMBEDDED_WORK, or one in the system's
# temporary folder. A second run goes on where the first stopped; remove the work folder to begin again.
set -eu

make=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=$(dirname -- "$make")
work=${1:-${DALSTON_EMBEDDED_WORK:-${TMPDIR:-/tmp}/dalston-embedded}}
[ $# -gt 0 ] && shift
# Debian's torch belongs to this interpreter; another python3 may come first on PATH.
python=${PYTHON:-/usr/bin/python3}

missing=
command -v espeak-ng >/dev/null || missing="$missing espeak-ng"
command -v flite >/dev/null || missing="$missing flite"
for module in numpy torch onnx; do
  "$python" -c "import $module" 2>/dev/null || missing="$missing python3-$module"
done
if [ -n "$missing" ]; then
  echo "missing packages:$missing (Debian: apt-get install$missing)" >&2
  exit 1
fi

mkdir -p "$work"
export PYTHONDONTWRITEBYTECODE=1

[ -f "$work/train.npz" ] || "$python" "$make/corpus.py" "$work"
"$python" "$make/language_model.py" "$work"
"$python" "$make/samples.py" "$work" "$folder"
"$python" "$make/train.py" "$work" "$@"
"$python" "$make/evaluate.py" "$work" "$folder"
"$python" "$make/export.py" "$work" "$folder"
