import json

import cv2
import numpy as np
import pytest

from netc.cli import main
from netc.data.annoset import convert_annoset
from netc.data.annotated import parse
from netc.data.boxes import rows_of
from netc.data.datum import pixels
from netc.data.lmdb import LmdbSource
from netc.errors import DataError, ParseError, UsageError

LABELS = """item { name: "none_of_the_above" label: 0 } item { name: "dog" label: 12 }
item { name: "cat" label: 8 } item { name: "18" label: 18 }"""
SIZE = "<size><width>40</width><height>20</height><depth>3</depth></size>"


def thing(name="dog", corners=(4, 5, 20, 15), difficult="", tail=""):
    box = "".join(
        f"<{c}>{v}</{c}>" for c, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{difficult}<bndbox>{box}</bndbox>{tail}</object>"


def voc(*things, size=SIZE):
    return f"<annotation>{size}{''.join(things)}</annotation>"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A picture of 20 x 40, a label map, and a list of the picture with the file `boxes`."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.RandomState(0).randint(0, 256, (20, 40, 3)).astype(np.uint8)
    cv2.imwrite("a.png", pixels)
    (tmp_path / "labels.prototxt").write_text(LABELS)
    (tmp_path / "list").write_text("a.png boxes\n")
    return tmp_path


def made(folder, text, **options):
    """The message of the one record, and what was logged."""
    log = []
    if text is not None:
        (folder / "boxes").write_text(text)
    options = {"anno_type": "detection", "label_map_file": "labels.prototxt", **options}
    assert convert_annoset("", "list", "db", log=log.append, **options) == ()
    source = LmdbSource("db")
    assert source.keys([0]) == [b"00000000_a.png"]
    return parse(source.read([0])[0]), log


TAIL = "<difficult>1</difficult>"
BOXES = {
    "xml": voc(thing(), thing("cat", (0, 0, 40, 20), TAIL), thing(corners=(1, 2, 3, 4), tail=TAIL)),
    "json": json.dumps(
        {
            "image": {"height": 20, "width": 40},
            "annotation": [
                {"category_id": "dog", "bbox": [4, 5, 16, 10]},
                {"category_id": "cat", "bbox": [0, 0, 40, 20], "iscrowd": 1},
                {"category_id": "dog", "bbox": [1, 2, 2, 2], "iscrowd": 1},
            ],
        }
    ),
}


@pytest.mark.parametrize("kind", BOXES)
def test_boxes_by_label_in_units_of_the_image(folder, kind):
    message, log = made(folder, BOXES[kind], label_type=kind)
    wanted = [
        (0, 12, 0, 0.1, 0.25, 0.5, 0.75, 0),
        (0, 12, 1, 0.025, 0.1, 0.075, 0.2, 1),
        (0, 8, 0, 0, 0, 1, 1, 1),
    ]
    np.testing.assert_array_equal(rows_of(message), np.array(wanted, np.float32))
    assert message.HasField("type") and message.datum.label == -1
    assert log == ["A total of 1 images.", "Processed 1 files."]


def test_lines_of_label_and_corners(folder):
    message, _ = made(folder, "3 4 5 20 15\n\n3 0 0 10.5 20\n", label_type="txt", label_map_file="")
    wanted = [(0, 3, 0, 0.1, 0.25, 0.5, 0.75, 0), (0, 3, 1, 0, 0, 0.2625, 1, 0)]
    np.testing.assert_array_equal(rows_of(message), np.array(wanted, np.float32))


def test_an_image_without_boxes(folder):
    message, log = made(folder, None)
    assert not message.annotation_group and message.HasField("type")
    assert "there is no file boxes: the image has no boxes" in log


def test_lines_of_image_and_label(folder):
    (folder / "list").write_text("a.png 5\n")
    message, _ = made(folder, None, anno_type="classification")
    assert message.datum.label == 5 and not message.HasField("type")


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"encoded": True}, (20, 40)),
        ({"encode_type": "jpg"}, (20, 40)),
        ({"resize_width": 12, "resize_height": 10, "encoded": True}, (10, 12)),
        ({"min_dim": 30}, (30, 60)),
        ({"max_dim": 20}, (10, 20)),
        ({"min_dim": 30, "max_dim": 50, "encoded": True}, (25, 50)),
        ({"min_dim": 10, "max_dim": 100}, (20, 40)),
    ],
)
def test_sizes_of_images(folder, options, size):
    message, _ = made(folder, BOXES["xml"], **options)
    assert pixels(message.datum).shape == (3, *size)
    assert (message.datum.channels, message.datum.height, message.datum.width) == (3, *size)
    if options == {"encoded": True}:
        assert message.datum.data == (folder / "a.png").read_bytes()
    assert rows_of(message)[0, 3:7].tolist() == pytest.approx([0.1, 0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (voc(thing(), size=""), None),
        (voc(thing(), size=SIZE.replace("40", "80")), "boxes: the image is 20 x 40, here it is 20 x"
         " 80"),
        (voc(thing(corners=(4, 5, 41, 15))), "boxes: bounding box exceeds image boundary: (4, 5) to"
         " (41, 15)"),
        (voc(thing(corners=(20, 5, 4, 15))), "boxes: bounding box irregular: (20, 5) to (4, 15)"),
    ],
)  # fmt: skip
def test_what_is_odd_about_boxes_is_told(folder, text, told):
    _, log = made(folder, text)
    assert log[1:-1] == ([told] if told else [])


@pytest.mark.parametrize(
    ("options", "text", "message"),
    [
        ({}, voc(thing("dgo")), r"^boxes: Unknown name: dgo\nhint: did you mean 'dog'\?$"),
        ({}, voc(thing(corners=("x", 5, 20, 15))), r"^boxes: xmin must be a number, got 'x'$"),
        ({}, voc(thing().replace("xmax", "x")), r"^boxes: xmax must be a number, got ''$"),
        ({}, voc(size=SIZE.replace("20", "0")), r"^boxes: no valid image width/height\.$"),
        ({}, "<annotation>", "^boxes: this is no XML: no element found"),
        ({"label_type": "json"}, '{"image": {"height": "x", "width": 3}, "annotation": []}',
         "^boxes: this is no JSON of an image and its annotation: ValueError"),
        ({"label_type": "json"}, "{}", "^boxes: this is no JSON of an image and its annotation: K"),
        ({"label_type": "json"}, "[", "^boxes: this is no JSON of an image and its annotation: J"),
        ({"label_type": "txt"}, "3 1 2 3 4\n3 1 2 3\n", "^boxes: line 2: expected 'label xmin"),
    ],
)  # fmt: skip
def test_boxes_that_cannot_be_read(folder, options, text, message):
    with pytest.raises(DataError, match=message):
        made(folder, text, **options)
    assert not (folder / "db").exists()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"anno_type": "detecton"}, UsageError, "Unknown anno_type detecton .*did you mean"),
        ({"label_type": "yaml"}, UsageError, r"Unknown label_type yaml \(known: xml, json, txt\)"),
        ({"label_map_file": ""}, UsageError, "label_map_file is not given"),
        ({"label_map_file": "label.prototxt"}, ParseError, "Failed to open file: .*did you mean"),
        ({"min_dim": 3, "resize_width": 4, "resize_height": 4}, UsageError, "give either min_dim"),
    ],
)
def test_what_cannot_be_asked_for(folder, options, kind, message):
    with pytest.raises(kind, match=f"(?s){message}"):
        made(folder, BOXES["xml"], **options)


def test_a_name_given_twice(folder):
    (folder / "twice").write_text(LABELS + ' item { name: "dog" label: 3 }')
    assert (
        made(folder, voc(thing()), label_map_file="twice")[0].annotation_group[0].group_label == 3
    )
    with pytest.raises(DataError, match="twice: There are many duplicates of name: dog"):
        made(folder, voc(thing()), label_map_file="twice", check_label=True, force=True)


def test_the_command(folder, capsys):
    (folder / "boxes").write_text(BOXES["xml"])
    (folder / "list").write_text("a.png boxes\nb.png boxes\n")
    flags = ["--anno_type=detection", "--label_map_file=labels.prototxt", "--encoded", "--gray"]
    assert main(["convert_annoset", *flags, "./", "list", "db"]) == 1
    assert "list:2: ./b.png" in capsys.readouterr().err
    message = parse(LmdbSource("db").read([0])[0])
    assert pixels(message.datum).shape == (1, 20, 40)
