#!/usr/bin/env python3
"""Times what a user would run instead beside `sam2 bench`, on this machine in one run, and prints Markdown tables.

    python bench/peers/compare.py [--program build/release/apps/cli/sam2] [--models sam2.1_t,sam2.1_b+,sam2.1_l]

Each of the others is timed between two runs of ours on the same threads, so that a machine that changes its speed shows:
the ratio is that of our median over both runs to theirs. Weights are stand-ins (`sam2 synth`): no time depends on
their values. requirements.txt has the packages and versions. OpenVINO compiles for up to two minutes a model.
"""
import argparse
import contextlib
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = ("torch-f32", "torch-bf16", "onnxruntime-f32", "openvino-f32", "openvino-bf16")
LABELS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path, how):
    """Where people share a machine: shared while preparing, exclusive while timing."""
    if not path:
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, how)
        yield


def ours(args, weights, precision):
    """One run of our benchmark: its JSON."""
    command = [args.program, "bench", "-q", "-m", weights, "--precision", precision, "--threads", str(args.threads)]
    command += ["--runs", str(args.runs), "--json", "-"]
    with locked(args.lock, fcntl.LOCK_EX):
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def theirs(args, name, model, weights, between):
    """Prepares a peer, calls `between` for our run before it, measures, and calls it again. None where it fails."""
    command = [sys.executable, os.path.join(HERE, "peer.py"), name, model, weights, "--threads", str(args.threads)]
    command += ["--runs", str(args.runs), "--folder", args.folder]
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    log = open(os.path.join(args.folder, "peer.log"), "w+")
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    with child, log:
        with locked(args.lock, fcntl.LOCK_SH):
            first = child.stdout.readline()
        before = between() if first else None
        second = ""
        if first:
            with locked(args.lock, fcntl.LOCK_EX):
                child.stdin.write("go\n")
                child.stdin.flush()
                second = child.stdout.readline()
        if not second:
            log.seek(0)
            say(f"{name} {model} failed: " + "".join(log.readlines()[-5:]))
            return None
    return {**json.loads(first), **json.loads(second), "before": before, "after": between()}


def compare(args):
    runs = []
    for model in args.models.split(","):
        weights = os.path.join(args.folder, model + ".pt")
        if not os.path.exists(weights):
            subprocess.run([args.program, "synth", model, weights, "-q"], check=True)
        for name in args.peers.split(","):
            precision = name.rsplit("-", 1)[1]
            say(f"{model}: {name}")
            try:
                found = theirs(args, name, model, weights, lambda: ours(args, weights, precision))
            except subprocess.CalledProcessError as error:
                say(f"our own run failed: {error}")
                continue
            if found:
                runs.append({"model": model, "peer": name, **found})
                say("  " + line_of(runs[-1], "encode_ms"))
    return runs


def row_of(ours_json):
    return ours_json["results"][0]


def ratio(run, key):
    """Our median over both runs to theirs."""
    mine = statistics.mean(row_of(run[side])[key] for side in ("before", "after"))
    return mine / statistics.median(run[key])


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def cells(run, key):
    tool, precision = run["peer"].rsplit("-", 1)
    before, after = (row_of(run[side]) for side in ("before", "after"))
    times = run[key]
    return [
        run["model"],
        LABELS[tool],
        precision,
        f"{number(statistics.median(times))} ({number(min(times))} to {number(max(times))})",
        f"{number(before[key])}, {number(after[key])}",
        f"{number(min(before[key + '_min'], after[key + '_min']))} to {number(max(before[key + '_max'], after[key + '_max']))}",
        f"{ratio(run, key):.2f}",
    ]


def line_of(run, key):
    return " | ".join(cells(run, key))


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def governor():
    try:
        with open("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def machine(runs):
    """The machine in words; peaks are the greatest that any of our runs measured."""
    all_ours = [run[side] for run in runs for side in ("before", "after")]
    first = all_ours[0]["machine"]
    peaks = {}
    for one in all_ours:
        for kind, value in one["machine"]["peak_gflops"].items():
            peaks[kind] = max(value, peaks.get(kind, 0.0))
    isas = sorted({one["machine"]["isa"] for one in all_ours})
    words = ", ".join(f"{kind} {value:.0f} ({first['peak_instructions'][kind]})" for kind, value in peaks.items())
    versions = sorted({f"{LABELS[run['peer'].rsplit('-', 1)[0]]} {run['version']}" for run in runs})
    print(f"{first['cpu']}, {first['threads']} threads of {first['processors']} processors, isa {' '.join(isas)}, governor {governor()}.")
    print(f"Peaks, GFLOP/s: {words}. sam2 {all_ours[0]['version']}; {', '.join(versions)}. Milliseconds; medians.\n")


def report(runs):
    if not runs:
        say("nothing was measured")
        return 1
    machine(runs)
    head = ["model", "other", "precision", "theirs (least to greatest)", "ours before, after", "ours, least to greatest", "ours / theirs"]
    for title, key in (
        ("Encode 1024 x 1024 (ours from the picture's bytes, theirs from a tensor that is ready)", "encode_ms"),
        ("One click, three masks of 1800 x 1200", "decode_ms"),
        ("Load the official .pt (theirs into a model that is built)", "load_ms"),
    ):
        rows = [cells(run, key) for run in runs if key in run]
        if rows:
            print(f"**{title}**\n")
            table(head, rows)
    compiled = [[run["model"], LABELS[run["peer"].rsplit("-", 1)[0]], run["peer"].rsplit("-", 1)[1], number(run["compile_ms"])] for run in runs if "compile_ms" in run]
    if compiled:
        print("**Making a session, once a start of the program**\n")
        table(["model", "other", "precision", "ms"], compiled)
    fractions = {}
    for run in runs:
        for side in ("before", "after"):
            row = row_of(run[side])
            fractions.setdefault((row["model"], row["precision"]), []).append(row)
    print("**Ours: work and peak**\n")
    rows = []
    for (model, precision), group in fractions.items():
        share = [row["fraction_of_peak"] for row in group if "fraction_of_peak" in row]
        rows.append(
            [
                model,
                precision,
                f"{group[0]['gflop']:.0f}",
                f"{statistics.median(row['gflops'] for row in group):.0f}",
                f"{100 * statistics.median(share):.0f} %" if share else "",
                number(statistics.median(row["ten_clicks_ms"] for row in group)),
                number(statistics.median(row["ten_objects_ms"] for row in group)),
                f"{max(row.get('peak_mib', 0) for row in group):.0f}",
            ]
        )
    table(["model", "precision", "GFLOP", "GFLOP/s", "of the peak", "ten clicks", "ten objects", "MiB"], rows)
    return 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", default=os.path.join(ROOT, "build/release/apps/cli/sam2"))
    ap.add_argument("--models", default="sam2.1_t,sam2.1_b+,sam2.1_l")
    ap.add_argument("--peers", default=",".join(PEERS))
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--folder", help="where weights and exported encoders are kept (default: a temporary one)")
    ap.add_argument("--lock", help="a file to lock as flock(1) does: shared while preparing, exclusive while timing")
    ap.add_argument("--json", help="everything that was measured, for --read")
    ap.add_argument("--read", help="print the tables of an earlier --json (several, divided by commas) and measure nothing")
    args = ap.parse_args()
    unknown = set(args.peers.split(",")) - set(PEERS)
    if unknown:
        ap.error(f"no peer is called {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if args.read:
        runs = []
        for name in args.read.split(","):
            with open(name) as file:
                runs += json.load(file)
        return report(runs)
    with contextlib.ExitStack() as stack:
        args.folder = args.folder or stack.enter_context(tempfile.TemporaryDirectory())
        runs = compare(args)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(runs, file, indent=1)
    return report(runs)


if __name__ == "__main__":
    sys.exit(main())
