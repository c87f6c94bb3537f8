"""Make pairs of digits for the siamese net: `python pairs.py examples/mnist examples/siamese`.

Each image of mnist_train_lmdb and mnist_test_lmdb in the first folder gets a partner by lot. The
pair is a record of two channels, labelled 1 where both are of one class, in the databases
mnist_siamese_train_lmdb and mnist_siamese_test_lmdb in the second folder.
"""

import sys
from pathlib import Path

import numpy as np

from netc.data.datum import encode_raw, parse, pixels
from netc.data.sources import find_source
from netc.data.writer import write_database
from netc.errors import NetcError


def write_pairs(singles: Path, pairs: Path) -> None:
    """Write as many pairs as there are single images. Raises DataError."""
    source = find_source(str(singles))
    digits = [parse(record) for record in source.read(range(len(source)))]
    partners = np.random.default_rng(0).permutation(len(digits))
    with write_database(str(pairs)) as writer:
        for i, (a, j) in enumerate(zip(digits, partners, strict=True)):
            both = np.concatenate([pixels(a), pixels(digits[j])])
            writer.put(b"%08d" % i, encode_raw(both, int(a.label == digits[j].label)))
    print(f"{pairs}: {len(digits)} pairs")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    mnist, siamese = map(Path, sys.argv[1:])
    try:
        for part in ("train", "test"):
            write_pairs(mnist / f"mnist_{part}_lmdb", siamese / f"mnist_siamese_{part}_lmdb")
    except NetcError as error:
        sys.exit(error.render())
