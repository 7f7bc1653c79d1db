#!/bin/bash
# Trains the small model and writes OUT/sam2.1_hiera_micro.safetensors:
#
#     tools/micro/retrain.sh OUT [WEIGHTS]
#
# From nothing, or on from WEIGHTS (the file in data/, say): then OUT/mean.safetensors, the mean of both, is written too. Packages: requirements.txt; PYTHON
# names the interpreter. Run again after an interruption, it goes on where it was. While OUT/PAUSE exists nothing is computed. Minutes are of CPU time of each
# of two processes: from nothing 187, from weights 70; and eight for each file that is written.
set -e
[ $# -ge 1 ] || { sed -n 2,8p "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
mkdir -p "$1"
out=$(cd "$1" && pwd)
weights=${2:+$(realpath "$2")}

phase() { # NAME FROM OPTIONS…: one phase, from nothing, a file, or an earlier phase
    local name=$1 from=$2
    shift 2
    nice -n 19 "$python" "$here/train.py" --out "$out/$name" ${from:+--init "$from"} --pause "$out/PAUSE" "$@"
}

with=$weights
# Hidden objects: without long clips that have them, more training unlearns to find an object that comes back elsewhere.
hidden="--walls 0.35 --jumps 0.5"
if [ -z "$weights" ]; then
    # Pictures of a few large objects until a click finds its place, then clips with true masks in memory until tracking does. A higher rate than 3.5e-4
    # gains nothing once these two have been learned.
    phase click "" --minutes 6 --size 128 --batch 16 --prompts 6 --lr 9e-4 --span 0 0.3 --warmup 80 --photographs 0 --smallest 0.25 --least 0.015 --most 4 \
        --more 0.25 --seed 1
    phase track "$out/click/last.pt" --minutes 20 --size 128 --batch 16 --prompts 6 --clips 4 --video 0.5 --lr 7e-4 --span 0 0.6 --warmup 30 \
        --photographs 0.1 --smallest 0.16 --least 0.006 --most 6 --more 0.45 --teacher 0.4 --seed 4
    phase settle "$out/track/last.pt" --minutes 25 --size 128 --batch 24 --prompts 6 --clips 5 --frames 6 --video 0.4 --lr 4e-4 --span 0 0.2 --warmup 30 \
        --photographs 0.1 --smallest 0.15 --least 0.005 --most 6 --more 0.45 --teacher 0.1 --seed 6
    # What is learned at 128 pixels holds at 512, and costs a sixteenth there, as long as the place's codes are those of 512.
    phase long "$out/settle/last.pt" --minutes 30 --size 128 --within 128 256 512 --batch 16 --prompts 6 --clips 2 --frames 14 --video 0.7 --lr 2e-4 --span 0 0.3 \
        --warmup 40 --photographs 0.08 --smallest 0.12 --least 0.004 --most 7 --more 0.45 --teacher 0.03 --seed 211 --replay 0.7 $hidden
    phase small "$out/long/last.pt" --minutes 36 --size 128 --within 128 256 384 512 512 --batch 24 --prompts 6 --clips 4 --frames 8 --video 0.45 --span 0 0.45 \
        --warmup 40 --photographs 0.08 --smallest 0.12 --least 0.004 --most 7 --more 0.45 --teacher 0.03 --seed 201 --replay 0.7 $hidden
    weights=$out/small.safetensors # as a file: the next phases' optimizers begin anew
    [ -f "$weights" ] || "$python" "$here/export.py" "$out/small/last.pt" "$weights"
fi

# One cosine over two sizes. Few prompts a picture, and more pictures for it: a picture has less than three masks on average.
phase middle "$weights" --minutes 46 --size 256 --within 256 384 512 512 --batch 12 --prompts 4 --more 0.4 --clips 1 --frames 10 --objects 3 --video 0.33 --lr 2.5e-4 \
    --muon --span 0 0.66 --warmup 30 --photographs 0.08 --least 0.0016 --seed 502 --replay 0.5 --average 0.997 $hidden
phase full "$out/middle/last.pt" --minutes 24 --size 512 --batch 3 --prompts 6 --more 0.4 --clips 1 --frames 5 --video 0.33 --lr 2.5e-4 --muon --span 0.66 1 --warmup 5 \
    --photographs 0.08 --smallest 0.08 --seed 503 --replay 0.3 --average 0.99 $hidden

finish() { # NAME CHECKPOINT…: their mean as OUT/NAME.safetensors
    local name=$1
    shift
    "$python" "$here/export.py" "$@" "$out/$name.trained.safetensors"
    nice -n 19 "$python" "$here/calibrate.py" "$out/$name.trained.safetensors" "$out/$name.safetensors"
}

finish sam2.1_hiera_micro "$out/full/last.pt"
# The mean keeps what the weights had learned of hidden objects, where walls.py says that training has unlearned it, and most of what was gained (docs/MICRO.md).
[ -z "$with" ] || finish mean "$out/full/last.pt" "$with"
