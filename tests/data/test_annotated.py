import cv2
import numpy as np
import pytest

from netc.compile import compile_net
from netc.data.annotated import is_annotated
from netc.data.datum import encode_raw
from netc.data.feeds import boxes_of, for_program
from netc.data.sheet import write_sheet
from netc.data.survey import render, survey
from netc.errors import DataError, UsageError
from netc.feeding import layer_of, open_layers, tell_step
from netc.load import read_net
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase
from netc.train.overfit import Few

from .boxed import anno_feed, anno_layer, database, noise, record
from .helpers import data_feed, images, write_images, write_records

ALL = """mirror: true resize_param { height: 12 width: 16 interp_mode: LINEAR interp_mode: AREA }
  distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5
    contrast_upper: 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5
    saturation_upper: 1.5 random_order_prob: 0.5 }
  expand_param { prob: 0.5 max_expand_ratio: 3 } mean_value: 104 mean_value: 117 mean_value: 123
  noise_param { saltpepper: true saltpepper_param { fraction: 0.1 value: 0 } }"""
SAMPLERS = """batch_sampler { max_sample: 1 max_trials: 1 } batch_sampler { sampler { min_scale: 0.3
  min_aspect_ratio: 0.5 max_aspect_ratio: 2 } sample_constraint { min_jaccard_overlap: 0.1 }
  max_sample: 1 max_trials: 50 }"""
BOXES = [(1, 0.2, 0.25, 0.6, 0.75), (2, 0.5, 0.1, 1.0, 0.9, True), (1, 0.0, 0.0, 0.1, 0.2)]


def rows(*boxes):
    return np.array(boxes, np.float32)[None, None]


def test_boxes_of_a_batch_by_group_and_images_as_they_are(tmp_path):
    path = database(
        tmp_path, record(noise(0), BOXES), record(noise(1)), record(noise(2), BOXES[:1])
    )
    feed = anno_feed(path, batch=3)
    data, label = feed.batch(0)
    assert np.array_equal(data[1], np.moveaxis(noise(1), -1, 0))
    wanted = rows(
        (0, 1, 0, 0.2, 0.25, 0.6, 0.75, 0),
        (0, 1, 1, 0.0, 0.0, 0.1, 0.2, 0),
        (0, 2, 0, 0.5, 0.1, 1.0, 0.9, 1),
        (2, 1, 0, 0.2, 0.25, 0.6, 0.75, 0),
    )
    np.testing.assert_allclose(label, wanted, rtol=1e-6)
    assert boxes_of(feed, (data, label)) is label
    assert feed.shapes == ((3, 3, 20, 30), (1, 1, 8, 8)) and feed.labels_top is None
    assert for_program(feed, (data, label))[1].shape == feed.shapes[1]


def test_a_batch_without_boxes_has_one_row_of_minus_one(tmp_path):
    feed = anno_feed(database(tmp_path, record(noise(0))))
    data, label = feed.batch(0)
    assert np.array_equal(label, np.full((1, 1, 1, 8), -1))
    padded = for_program(feed, (data, label))[1]
    assert padded.shape == (1, 1, 8, 8) and (padded == -1).all()


def test_more_boxes_than_the_first_batch_has(tmp_path):
    many = [(1, 0.1, 0.1, 0.2, 0.2)] * 9
    feed = anno_feed(database(tmp_path, record(noise(0), many[:1]), record(noise(0), many)))
    padded = for_program(feed, feed.batch(1))[1]
    assert padded.shape == (1, 1, 16, 8) and (padded[0, 0, 9:] == -1).all()


@pytest.mark.parametrize("tops", ["data", "data label"])
def test_labels_of_records_without_a_type(tmp_path, tops):
    feed = anno_feed(database(tmp_path, *[record(noise(i), BOXES, False) for i in range(2)]),
                     batch=2, tops=tops)  # fmt: skip
    assert [top.shape for top in feed.batch(0)] == list(feed.shapes)
    assert feed.shapes[1:] == ((2, 1, 1, 1),)[: len(tops.split()) - 1]
    assert all((top == 7).all() for top in feed.batch(0)[1:])


def test_anno_type_of_the_layer_counts(tmp_path):
    path = database(tmp_path, record(noise(0), BOXES, typed=False))
    assert anno_feed(path, anno="anno_type: BBOX").batch(0)[1].shape == (1, 1, 3, 8)


@pytest.mark.parametrize("anno", ["", SAMPLERS])
def test_a_batch_depends_on_seed_and_number_alone(tmp_path, anno):
    path = database(tmp_path, *[record(noise(i), BOXES) for i in range(5)])
    options = {"batch": 2, "transform": ALL, "anno": anno, "data": "shuffle: true"}
    one, other = anno_feed(path, **options), anno_feed(path, **options)
    backwards = {k: other.batch(k) for k in reversed(range(6))}
    for k in range(6):
        assert all(map(np.array_equal, one.batch(k), backwards[k]))
        assert len(one.drawn(k)) == len(one.describe(k)) == 2
    assert not np.array_equal(anno_feed(path, seed=2, **options).batch(0)[0], backwards[0][0])


def patch(image):
    """Corners of what is white in (C, H, W), in units of its sides."""
    down, across = np.nonzero(image[0] > 200)
    height, width = image.shape[1:]
    ends = across.min(), down.min(), across.max() + 1, down.max() + 1
    return np.array(ends) / [width, height, width, height]


@pytest.mark.parametrize(
    "transform",
    [
        "mirror: true",
        "crop_h: 70 crop_w: 50 resize_param { height: 90 width: 80 interp_mode: NEAREST }",
        "crop_size: 60 mirror: true resize_param { height: 80 width: 100 interp_mode: NEAREST }",
        "expand_param { prob: 1 max_expand_ratio: 3 }",
        "resize_param { height: 90 width: 60 interp_mode: NEAREST }",
        "resize_param { height: 90 width: 60 interp_mode: NEAREST "
        "resize_mode: FIT_LARGE_SIZE_AND_PAD }",
        "resize_param { height: 60 width: 90 interp_mode: NEAREST "
        "resize_mode: FIT_LARGE_SIZE_AND_PAD }",
        "resize_param { height: 90 width: 60 interp_mode: NEAREST resize_mode: FIT_SMALL_SIZE } "
        "mirror: true",
    ],
)
@pytest.mark.parametrize("anno", ["", SAMPLERS])
@pytest.mark.parametrize("encoded", [True, False])
def test_boxes_follow_the_image(tmp_path, transform, anno, encoded):
    image = np.zeros((80, 100, 3), np.uint8)
    image[20:60, 30:80] = 255
    path = database(tmp_path, record(image, [(1, 0.3, 0.25, 0.8, 0.75)], encoded=encoded))
    feed, seen = anno_feed(path, transform=transform, anno=anno), 0
    for k in range(6):
        data, label = feed.batch(k)
        if label[0, 0, 0, 0] == 0:
            np.testing.assert_allclose(patch(data[0]), label[0, 0, 0, 3:7], atol=0.06)
            seen += 1
    assert seen > 2


def test_which_boxes_a_crop_keeps(tmp_path):
    boxes = [(1, 0.0, 0.0, 0.4, 1.0), (2, 0.3, 0.0, 0.7, 1.0)]
    path = database(tmp_path, record(noise(0, 20, 20), boxes))

    def labels(emit):
        transform = f"crop_size: 10 emit_constraint {{ {emit} }}" if emit else "crop_size: 10"
        return anno_feed(path, "TEST", transform=transform).batch(0)[1][0, 0, :, 1].tolist()

    assert labels("") == [1, 2]
    assert labels("emit_type: CENTER") == [2]
    assert labels("emit_type: MIN_OVERLAP emit_overlap: 0.4") == [2]
    assert labels("emit_type: MIN_OVERLAP emit_overlap: 0.1") == [1, 2]


def test_sizes_in_units_of_a_scale(tmp_path):
    path = database(tmp_path, record(noise(0, 20, 40), [(1, 0.5, 0.5, 1, 1)]))
    resize = """resize_param { resize_mode: FIT_SMALL_SIZE height: 10 width: 10 height_scale: 5
        width_scale: 8 }"""
    data, label = anno_feed(path, transform=resize).batch(0)
    assert data.shape == (1, 3, 10, 20)
    np.testing.assert_allclose(label[0, 0, 0, 3:7], [1.25, 1, 2.5, 2])


def test_images_of_one_batch_have_one_shape(tmp_path):
    feed = anno_feed(database(tmp_path, record(noise(0)), record(noise(1, 9, 9))), batch=2)
    with pytest.raises(DataError, match=r"record 1, .*datum_height == height \(9 vs. 20\)"):
        feed.batch(0)


def test_a_record_without_the_type_of_the_first(tmp_path):
    path = database(tmp_path, record(noise(0)), record(noise(1), typed=False))
    with pytest.raises(DataError, match=r"record 1, key .*: Some datum misses AnnotationType."):
        anno_feed(path).batch(1)


def test_data_says_which_layer_reads_records_of_boxes(tmp_path):
    path = database(tmp_path, record(noise(0)))
    with pytest.raises(DataError, match="hint: AnnotatedData reads records of images with boxes"):
        data_feed(path)


def test_a_database_of_other_records(tmp_path):
    message = r"record 0, .*: \d+ bytes that are no AnnotatedDatum\nhint: `netc convert_annoset`"
    with pytest.raises(DataError, match=message):
        anno_feed(write_images(tmp_path / "db", images(2)))
    broken = write_records(tmp_path / "broken", [b"\xff\xff"])
    with pytest.raises(DataError, match="2 bytes that are no AnnotatedDatum"):
        anno_feed(broken)
    assert is_annotated(record(noise(0))) and not is_annotated(encode_raw(images(1)[0], 3))


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("resize_param { height: 4 }", "height and width of resize_param must be greater than 0, "
         "got 4 and 0"),
        ("resize_param { height: 4 width: 4 } resize_param { height: 4 width: 4 }",
         "resize_param is given 2 times"),
        ("resize_param { height: 4 width: 4 resize_mode: FIT_SMALL_SIZE }",
         "Only support batch size of 1 for FIT_SMALL_SIZE, got 2."),
        ("expand_param { prob: 1 }", "max_expand_ratio must be greater than 1, got 1"),
        ("distort_param { brightness_prob: 1 brightness_delta: -3 }",
         "brightness_delta must be non-negative, got -3"),
        ("distort_param { contrast_prob: 1 contrast_lower: 2 contrast_upper: 1 }",
         "contrast_upper must be >= contrast_lower, got 1 and 2"),
        ("force_gray: true distort_param { hue_prob: 1 }", "hue needs images of 3 channels, got 1"),
        ("force_gray: true noise_param { convert_to_lab: true }",
         "convert_to_lab needs images of 3 channels, got 1"),
        ("noise_param { saltpepper: true }",
         r"Specify either 1 value or as many as channels: 3 \(got 0\)"),
        ("augment { rotation: 3 }", "boxes do not follow the image in rotation"),
        ("crop_size: 21", "crop_size 21 is larger than the image, 20 x 30"),
        ("mean_value: 1 mean_value: 2", "Specify either 1 mean_value or as many as channels: 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(tmp_path, transform, message):
    with pytest.raises(DataError, match=message):
        anno_feed(database(tmp_path, record(noise(0))), batch=2, transform=transform)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("min_scale: 0", "min_scale must be greater than 0, got 0"),
        ("max_scale: 1.5", "max_scale must be at least min_scale, 1, and at most 1, got 1.5"),
        ("max_aspect_ratio: 0.5", "max_aspect_ratio must be at least min_aspect_ratio, 1, and fin"),
    ],
)
def test_samplers_that_draw_nothing(tmp_path, sampler, message):
    anno = f"batch_sampler {{ sampler {{ {sampler} }} }}"
    with pytest.raises(DataError, match=message):
        anno_feed(database(tmp_path, record(noise(0))), anno=anno)


def test_overfit_says_that_it_takes_no_boxes(tmp_path):
    path = database(tmp_path, record(noise(0), BOXES))
    net = tmp_path / "net.prototxt"
    net.write_text(f"""layer {{ {anno_layer(path)} }}
        layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
          inner_product_param {{ num_output: 1 }} }}
        layer {{ name: "l" type: "Reduction" bottom: "ip" top: "l" loss_weight: 1 }}
        layer {{ name: "s" type: "Silence" bottom: "label" }}""")
    program = compile_net(read_net(net), NetState(phase=Phase.TRAIN), Plan("cpu"))
    with pytest.raises(UsageError, match=r"batches of boxes, 'label'\nhint: make a data"):
        Few(program, 2)


def test_a_survey_counts_boxes(tmp_path):
    path = database(tmp_path, record(noise(0), BOXES), record(noise(1)))
    found = survey(layer_of(path))
    assert found.source.endswith("LMDB of 2 records with 3 boxes")
    assert found.labels is not None and found.labels.tolist() == [1, 1, 2]
    assert found.shapes == {"3 x 20 x 30, encoded": 2}
    assert render(survey(layer_of(write_records(tmp_path / "none", [record(noise(0))])))).endswith(
        "no labels"
    )


def test_what_a_step_took_of_boxes(tmp_path):
    path = database(tmp_path, record(noise(0), BOXES[:2]), record(noise(1)))
    told = [line for k in range(2) for line in tell_step(open_layers(path)[0], k)]
    assert told[1].endswith("boxes 1 at (0.2, 0.25, 0.6, 0.75), 2 at (0.5, 0.1, 1, 0.9)")
    assert told[3].endswith("no boxes")


def test_a_sheet_has_boxes_drawn(tmp_path):
    black = np.zeros((96, 96, 3), np.uint8)
    path = database(tmp_path, record(black, [(3, 0.25, 0.5, 0.75, 1)]))
    write_sheet(str(tmp_path / "sheet.png"), anno_feed(path), 1)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[:96, :96]
    down, across = np.nonzero(sheet.any(-1))
    assert (down.min(), down.max(), across.min(), across.max()) == (48, 95, 24, 71)
    assert len(down) == 4 * 48 - 4 and (sheet[48, 24] == (0, 0, 255)).all()
