"""A permutohedral lattice point by point, in dictionaries. Adams, Baek and Davis 2010."""

from __future__ import annotations

import math

import numpy as np

from .. import reference as ref


def simplex(point):
    """The corners of the simplex that a point lies in, each with its share, by sorting."""
    d = len(point)
    reach = math.sqrt(2 / 3) * (d + 1)
    scaled = [x * reach / math.sqrt((i + 1) * (i + 2)) for i, x in enumerate(point)]
    elevated = [sum(scaled[i:]) - (i * scaled[i - 1] if i else 0) for i in range(d + 1)]
    zero = [round(x / (d + 1)) * (d + 1) for x in elevated]
    order = sorted(range(d + 1), key=lambda i: zero[i] - elevated[i])
    surplus = sum(zero) // (d + 1)
    for i in order[d + 1 - surplus :] if surplus > 0 else order[: -surplus or None] * (surplus < 0):
        zero[i] -= int(math.copysign(d + 1, surplus))
    apart = sorted(((elevated[i] - zero[i]) / (d + 1) for i in range(d + 1)), reverse=True)
    order = sorted(range(d + 1), key=lambda i: zero[i] - elevated[i])
    corners, key = {}, list(zero)
    for k in range(d + 1):
        share = 1 - apart[0] + apart[-1] if k == 0 else apart[d - k] - apart[d - k + 1]
        # A step in all directions, and back over the whole in those that are ahead.
        at = tuple(key[i] + k - (d + 1) * (i in order[d + 1 - k :]) for i in range(d + 1))
        corners[at] = share
    return corners


def lattice_filter(points, values):
    """Values (N, C) filtered over points (N, d)."""
    d = points.shape[1]
    splats = [simplex(p) for p in points.astype(float)]
    held = {}
    for corners, value in zip(splats, values, strict=True):
        for at, share in corners.items():
            held[at] = held.get(at, 0) + share * value
    for axis in range(d + 1):
        way = [-1] * (d + 1)
        way[axis] = d
        blurred = {}
        for at, value in held.items():
            sides = [tuple(a + s * w for a, w in zip(at, way, strict=True)) for s in (1, -1)]
            blurred[at] = value + sum(held.get(side, 0) for side in sides) / 2
        held = blurred
    scale = 1 / (1 + 2.0**-d)
    return np.array([sum(s * held[at] for at, s in corners.items()) for corners in splats]) * scale


def averaged(points, values):
    total = lattice_filter(points, np.ones((len(points), 1)))
    return lattice_filter(points, values) / total


def places(height, width, deviation):
    rows, columns = np.indices((height, width))
    return np.stack([columns, rows], -1).reshape(-1, 2) / deviation


def pixels(image, place, colour):
    """(H W, 5) of an image (3, H, W)."""
    flat = image.reshape(3, -1).T / colour
    return np.concatenate([places(*image.shape[1:], place), flat], 1)


def meanfield(unary, first, image, spatial, bilateral, together, *, steps, alpha, beta, gamma):
    out = np.empty_like(unary)
    for n, scores in enumerate(unary):
        classes = len(scores)
        near, like = places(*scores.shape[1:], gamma), pixels(image[n], alpha, beta)
        q = first[n]
        for _ in range(steps):
            p = ref.softmax(q, 0).reshape(classes, -1).T
            message = averaged(near, p) @ spatial[0, 0].T + averaged(like, p) @ bilateral[0, 0].T
            q = scores - (message @ together[0, 0].T).T.reshape(scores.shape)
        out[n] = q
    return out


def dense_crf(scores, sizes, image=None, *, steps, near=(), like=(), log=False):
    """near: (weight, deviation); like: (weight, of places, of colours)."""
    out = np.zeros_like(scores)
    for n, whole in enumerate(scores):
        height, width = (
            min(int(a), b) for a, b in zip(sizes[n].ravel(), whole.shape[1:], strict=True)
        )
        own = whole[:, :height, :width]
        flat = own.reshape(len(own), -1).T
        p = ref.softmax(flat, 1)
        for _ in range(steps):
            total = flat.copy()
            for w, s in near:
                total += w * averaged(places(height, width, s), p)
            for w, s, r in like:
                total += w * averaged(pixels(image[n][:, :height, :width], s, r), p)
            p = ref.softmax(total, 1)
        p = np.log(p) if log else p
        out[n, :, :height, :width] = p.T.reshape(own.shape)
    return out


def swept(x, edges, sizes, *, times=3, spatial=50.0, spread=5.0, least=0.0):
    """The recursive filter, pixel by pixel."""
    y = x.copy()
    for n, (height, width) in enumerate(sizes.reshape(-1, 2).astype(int)):
        for k in range(times):
            sigma = spatial * math.sqrt(3) * 2.0 ** (times - k - 1) / math.sqrt(4**times - 1)
            w = np.exp(-math.sqrt(2) / sigma * (1 + edges[n, 0] * spatial / spread))
            w = w if least is None else np.clip(w, least, 1)
            rows, columns = range(height), range(width)
            for h in rows:
                for i in columns[1:]:
                    y[n, :, h, i] += w[h, i] * (y[n, :, h, i - 1] - y[n, :, h, i])
                for i in columns[-2::-1]:
                    y[n, :, h, i] += w[h, i + 1] * (y[n, :, h, i + 1] - y[n, :, h, i])
            for i in columns:
                for h in rows[1:]:
                    y[n, :, h, i] += w[h, i] * (y[n, :, h - 1, i] - y[n, :, h, i])
                for h in rows[-2::-1]:
                    y[n, :, h, i] += w[h + 1, i] * (y[n, :, h + 1, i] - y[n, :, h, i])
    return y
