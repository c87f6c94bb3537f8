"""How fast images are classified: `python benchmarks/classify.py [--images N] [NET ...]`.

JPEG files of 500 x 375, generated, through the deploy nets of examples/ with weights from their
fillers. batched: as `netc classify` does it. one by one: a loop that reads, prepares and runs each
image. decode, compute: what each of the two parts takes alone, on all threads, in batches.
All four in turn, in one process, and the best of the rounds; processor time is of all threads.
--wait: milliseconds that each file takes to arrive, as over a network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import jax
import numpy as np

import netc.pycaffe as caffe
from netc.lowering.plan import Plan
from netc.lowering.platform import keep_memory
from netc.predict.classes import pick_scores, read_scores
from netc.predict.preprocess import Options, Prepared, pipeline
from netc.predict.running import Predictor, predictions, read_deploy
from netc.predict.stored import Stored
from netc.schema import TransformationParameter
from netc.weights.match import EXACT

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZE = 375, 500


def write(folder: Path, count: int) -> list[str]:
    """JPEG files that take about as many bytes as photographs."""
    draw = np.random.default_rng(0)
    files = [str(folder / f"{i}.jpg") for i in range(count)]
    for file in files:
        smooth = cv2.GaussianBlur(draw.uniform(0, 256, (*SIZE, 3)), (0, 0), 2)
        rough = 128 + 8 * (smooth - smooth.mean()) + draw.uniform(-8, 8, smooth.shape)
        cv2.imwrite(file, np.clip(rough, 0, 255).astype(np.uint8))
    return files


def calls(
    name: str, files: list[str], folder: Path, batch: int, wait: float
) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    model, weights = str(EXAMPLES / name / "deploy.prototxt"), str(folder / f"{name}.caffemodel")
    caffe.Net(model, caffe.TEST).save(weights)
    deploy, plan = read_deploy(model), Plan(jax.default_backend())
    options = Options(mean="104,117,123", size=(256, 256))
    crop = deploy.shape[2], deploy.shape[3]
    prepare = pipeline(deploy.shape[1], crop, options, Stored(TransformationParameter()))

    def make(file: str) -> Prepared:
        time.sleep(wait)
        return prepare(file)

    many, one = (Predictor(deploy, weights, plan, n, pick_scores, EXACT) for n in (batch, 1))
    rows = np.concatenate([make(file).rows for file in files[:batch]])

    def one_by_one() -> None:
        for file in files:
            ((_, value),) = one.start(make(file).rows)
            np.asarray(value)

    def decode() -> None:
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(make, files):
                pass

    def compute() -> None:
        for _ in range(-(-len(files) // batch)):
            ((_, value),) = many.start(rows)
        np.asarray(value)

    return {
        "batched": lambda: list(predictions(many, files, make, read_scores)),
        "one by one": one_by_one,
        "decode": decode,
        "compute": compute,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*", default=["cifar10_quick", "squeezenet"])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--wait", type=float, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if jax.default_backend() == "cpu":
        keep_memory()  # as every command of netc does
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = write(folder, args.images)
        told = np.mean([Path(file).stat().st_size for file in files])
        print(f"{len(files)} files of {told:,.0f} bytes, images/s (processor ms per image):\n")
        for i, name in enumerate(args.nets):
            measured = calls(name, files, folder, args.batch, args.wait / 1000)
            best = dict.fromkeys(measured, (float("inf"), float("inf")))
            if not i:
                print(f"| net | {' | '.join(best)} |\n|---|{'---|' * len(best)}")
            for _ in range(args.rounds):
                for what, call in measured.items():
                    began = time.perf_counter(), time.process_time()
                    call()
                    took = time.perf_counter() - began[0], time.process_time() - began[1]
                    best[what] = min(best[what][0], took[0]), min(best[what][1], took[1])
            cells = (
                f"{len(files) / wall:,.0f} ({1000 * own / len(files):.1f})"
                for wall, own in best.values()
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
