"""Calls of Caffe's programs and scripts as calls of netc's commands."""

import pytest

from netc.tools import translated

CALLS = [
    ("caffe train", "-solver s -gpu 0,1", "train -solver s -gpu 0,1"),
    ("convert_imageset", "-gray a/ l.txt db", "convert_imageset -gray a/ l.txt db"),
    ("train_net", "s.prototxt", "train -solver s.prototxt"),
    ("finetune_net", "s.prototxt w.caffemodel", "train -solver s.prototxt -weights w.caffemodel"),
    ("test_net", "n w 10 CPU", "test -model n -weights w -iterations 10 CPU"),
    ("convert_cifar_data", "a b lmdb", "dataset cifar10 FOLDER --from BIN_FILES"),
    (
        "classification.bin",
        "d.prototxt w.caffemodel m.binaryproto labels.txt cat.jpg",
        "classify --as cpp -model d.prototxt -weights w.caffemodel -mean_file m.binaryproto "
        "-labels labels.txt cat.jpg",
    ),
    (
        "classify.py",
        "--gpu --model_def d.prototxt in.jpg --pretrained_model=w.caffemodel --ext png out.npy "
        "--center_only --raw_scale 255",
        "classify --as python in.jpg -o out.npy -gpu 0 -model d.prototxt -weights w.caffemodel "
        "--center_only --raw_scale 255",
    ),
    (
        "detect.py",
        "--crop_mode=list --model_def d --pretrained_model w w.csv out.h5",
        "detect -context_pad 16 w.csv -o out.h5 -model d -weights w",
    ),
    ("draw_net.py", "a b.png --rankdir TB", "draw --rankdir LR a b.png --rankdir TB"),
    ("train.py", "--solver s --gpus 0 1 --timing", "train --solver s -gpu 0,1"),
    ("parse_log.py", "--verbose a.log o", "parse_log --verbose a.log o"),
    ("parse_log.sh", "a.log", "parse_log a.log ."),
    ("extract_seconds.py", "a.log out.txt", "parse_log a.log ."),
    ("plot_training_log.py", "0 o.png a.log b.log",
        "plot a.log b.log -o o.png -y accuracy -x iterations --phase test"),
    ("plot_training_log.py", "5 o.png a.log", "plot a.log -o o.png -y lr -x seconds --phase train"),
    ("plot_training_log.py", "$TYPE o.png a.log", "plot a.log -o o.png"),
    ("summarize.py", "-w 40 net.prototxt", "summary --no-compile net.prototxt"),
    ("download_model_binary.py", "models/m", "zoo --fetch models/m"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "words", "wanted"), CALLS)
def test_translated(name, words, wanted):
    assert " ".join(translated(name, words.split())) == wanted
