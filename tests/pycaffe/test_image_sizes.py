"""Images of several sizes through a data layer, pass by pass."""

import cv2
import numpy as np
import pytest

import netc.pycaffe as caffe

SIZES = [(6, 6), (5, 7), (8, 6), (6, 6)]
NET = """name: "sizes" force_backward: true
layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "list.txt" } }
layer { name: "relu" type: "Power" bottom: "data" top: "twice" power_param { scale: 2 } }
layer { name: "pool" type: "Pooling" bottom: "twice" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
"""


@pytest.fixture
def pictures(folder):
    draw = np.random.RandomState(0)
    images = [draw.randint(0, 256, (*size, 3)).astype(np.uint8) for size in SIZES]
    for i, image in enumerate(images):
        cv2.imwrite(f"{i}.png", image)
    (folder / "list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(len(images))))
    return [np.moveaxis(image, -1, 0) for image in images]


def test_every_forward_takes_the_next_image(make, pictures):
    net = make(NET, caffe.TEST)
    twice = net.blobs["twice"]
    for image in pictures * 2:
        pool = net.forward()["pool"]
        np.testing.assert_array_equal(net.blobs["data"].data[0], image)
        assert net.blobs["twice"] is twice and twice.shape == (1, *image.shape)
        np.testing.assert_allclose(pool[0, :, 0, 0], 2 * image.mean((1, 2)), rtol=1e-5)
    assert net.blobs["label"].data == [3]


def test_backward_and_parts_are_of_the_same_size(make, pictures):
    net = make(NET, caffe.TEST)
    for image in pictures[:2]:
        net.forward(end="relu")
        net.forward(start="pool")
        net.blobs["pool"].diff[...] = 1
        net.backward()
        count = image[0].size
        np.testing.assert_allclose(net.blobs["twice"].diff, np.full((1, *image.shape), 1 / count))
