"""Draws one imaginary animal on a transparent layer: from the side, sitting up, or face on.

Figures are made of soft polygons in the animal's own coordinates: x along the way it faces,
y upwards, the ground at 0, the body one unit long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from scraper.standin.anatomy import Anatomy, Colour

Point = tuple[float, float]
View = Literal["side", "face"]

_SUPERSAMPLING = 2
_CREAM: Colour = (240, 226, 204)
_NOSE: Colour = (58, 40, 40)
_EYE: Colour = (18, 14, 16)
_SKIN: Colour = (214, 150, 140)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How an animal stands in its picture."""

    view: View
    lift_deg: float
    """How far it sits up, 0 to 60."""
    turn_deg: float
    """How far the whole figure is tilted."""
    faces_left: bool
    feet: Point
    """Where it touches the ground, in pixels from the upper left corner."""
    body_px: float
    light_deg: float
    """Where the light comes from, counter-clockwise from the right."""


def draw_animal(
    anatomy: Anatomy, coat: Colour, pose: Pose, *, size: tuple[int, int], rng: Random
) -> Image.Image:
    """One animal as an RGBA layer of `size` pixels."""
    pen = _Pen(pose, size, rng)
    figure = _Figure(pen, anatomy, coat, rng)
    figure.face_on() if pose.view == "face" else figure.from_the_side(pose.lift_deg)
    layer = pen.canvas.reduce(_SUPERSAMPLING)
    return _lit(layer, pose, rng)


class _Pen:
    """Draws shapes given in the animal's coordinates onto a canvas of pixels."""

    def __init__(self, pose: Pose, size: tuple[int, int], rng: Random) -> None:
        width, height = size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING
        self.canvas = Image.new("RGBA", (width, height))
        self._draw = ImageDraw.Draw(self.canvas)
        self._rng = rng
        self._scale = pose.body_px * _SUPERSAMPLING
        self._origin = (pose.feet[0] * _SUPERSAMPLING, pose.feet[1] * _SUPERSAMPLING)
        turn = math.radians(pose.turn_deg)
        self._cos, self._sin = math.cos(turn), math.sin(turn)
        self._way = -1.0 if pose.faces_left else 1.0

    def polygon(self, points: Iterable[Point], colour: Colour) -> None:
        """Fill a shape."""
        self._draw.polygon([self._pixel(point) for point in points], fill=colour)

    def oval(
        self, centre: Point, rx: float, ry: float, colour: Colour, *, turn: float = 0.0
    ) -> None:
        """Fill an ellipse, turned by `turn` radians."""
        self.polygon(_oval(centre, rx, ry, turn), colour)

    def furry(
        self, centre: Point, rx: float, ry: float, colour: Colour, *, turn: float = 0.0
    ) -> None:
        """Fill an ellipse with a rough edge."""
        edge = [
            _towards(centre, point, self._rng.uniform(0.96, 1.05))
            for point in _oval(centre, rx, ry, turn, corners=64)
        ]
        self.polygon(edge, colour)

    def limb(self, spine: Sequence[Point], radii: Sequence[float], colour: Colour) -> None:
        """Fill a shape around a bent line, as thick as `radii` say along it."""
        self.polygon(_outline(spine, radii), colour)
        for point, radius in ((spine[0], radii[0]), (spine[-1], radii[-1])):
            self.oval(point, radius, radius, colour)

    def leaf(self, base: Point, angle: float, length: float, width: float, colour: Colour) -> None:
        """Fill the shape of an ear: round at its base, pointed at its end."""
        steps = [step / 10 for step in range(11)]
        spine = [_beyond(base, angle, length * step) for step in steps]
        radii = [width / 2 * math.sin(math.pi * (0.2 + 0.8 * step)) ** 0.7 for step in steps]
        self.polygon(_outline(spine, radii), colour)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let what is drawn meanwhile show only on what was drawn before."""
        alpha = self.canvas.getchannel("A")
        yield
        self.canvas.putalpha(ImageChops.darker(self.canvas.getchannel("A"), alpha))

    def _pixel(self, point: Point) -> Point:
        x, y = point
        turned_x, turned_y = x * self._cos - y * self._sin, x * self._sin + y * self._cos
        return (
            self._origin[0] + self._way * turned_x * self._scale,
            self._origin[1] - turned_y * self._scale,
        )


class _Figure:
    """The parts of one animal, put together for one view."""

    def __init__(self, pen: _Pen, anatomy: Anatomy, coat: Colour, rng: Random) -> None:
        self._pen, self._anatomy, self._rng = pen, anatomy, rng
        self._coat = coat
        self._dark = _mixed(coat, (24, 18, 16), 0.7)
        self._far = _mixed(coat, (24, 18, 16), 0.28)
        self._pale = _mixed(coat, _CREAM, 0.75)

    def from_the_side(self, lift_deg: float) -> None:
        """Standing where `lift_deg` is 0, and sitting up the more the greater it is."""
        it, lift = self._anatomy, math.radians(lift_deg)
        half = it.girth / 2
        hip = (-0.28, it.leg * math.cos(lift) + half * 0.96)
        shoulder = _beyond(hip, lift, 0.56)
        self._tail(_beyond(hip, math.pi + lift, half * 0.75), lift)
        self._legs(hip, shoulder, lift, self._far, offset=0.07)
        head = _beyond(shoulder, lift * 0.6 + 0.45, half * 0.6 + it.head * 0.62)
        self._ear(head, lift_deg, back=0.30, colour=self._far)
        self._torso(hip, shoulder, lift)
        self._legs(hip, shoulder, lift, self._coat, offset=-0.03)
        self._head(head, self._rng.uniform(-0.35, 0.12))
        self._ear(head, lift_deg, back=0.0, colour=self._coat)

    def face_on(self) -> None:
        """Sitting, looking at whoever looks at it."""
        it = self._anatomy
        half = it.girth * 0.62
        middle = it.leg * 0.5 + half
        self._tail((self._rng.choice((-1, 1)) * half * 0.7, middle * 0.7), 0.5)
        self._pen.furry((0, middle), half * 0.95, half * 1.05, self._coat)
        self._pattern((0, middle - half * 0.9), (0, middle + half * 0.5), half * 0.9)
        self._pen.oval((0, middle * 0.8), half * 0.42, half * 0.62, self._pale)
        for side in (-1, 1):
            self._pen.oval((side * half * 0.55, 0.04), 0.10, 0.06, self._far)
        self._face((0, middle + half * 0.55 + it.head * 0.75))

    def _torso(self, hip: Point, shoulder: Point, lift: float) -> None:
        half = self._anatomy.girth / 2
        front = half * 0.86
        along = [_towards(hip, shoulder, step / 8) for step in range(9)]
        radii = [half + (front - half) * step / 8 for step in range(9)]
        self._pen.limb(along, radii, self._coat)
        self._pen.furry(hip, half * 1.03, half, self._coat, turn=lift)
        self._belly(hip, shoulder, lift)
        self._pattern(hip, shoulder, half)

    def _belly(self, hip: Point, shoulder: Point, lift: float) -> None:
        half = self._anatomy.girth / 2
        with self._pen.inside():
            for share in (0.15, 0.5, 0.85):
                spot = _beyond(_towards(hip, shoulder, share), lift - math.pi / 2, half * 0.85)
                self._pen.oval(spot, 0.2, half * 0.32, self._pale, turn=lift)

    def _pattern(self, tail_end: Point, head_end: Point, half: float) -> None:
        """What the fur shows, on a body as thick as twice `half` between its ends."""
        with self._pen.inside():
            match self._anatomy.pattern:
                case "bands":
                    self._bands(tail_end, head_end, half)
                case "blotches":
                    self._spots(tail_end, head_end, half, self._dark, (0.07, 0.13), count=12)
                case "dapples":
                    self._spots(tail_end, head_end, half, self._pale, (0.022, 0.042), count=70)
                case "lines":
                    self._lines(tail_end, head_end, half)

    def _bands(self, tail_end: Point, head_end: Point, half: float) -> None:
        along = math.atan2(head_end[1] - tail_end[1], head_end[0] - tail_end[0])
        for band in range(8):
            middle = _towards(tail_end, head_end, -0.45 + 1.7 * band / 7)
            top = _beyond(middle, along + math.pi / 2, half * 1.1)
            bend = _beyond(middle, along, -0.05)
            end = _beyond(middle, along - math.pi / 2, half * 0.75)
            self._pen.limb([top, bend, end], [0.034, 0.034, 0.016], self._dark)

    def _spots(
        self,
        tail_end: Point,
        head_end: Point,
        half: float,
        colour: Colour,
        sizes: tuple[float, float],
        *,
        count: int,
    ) -> None:
        along = math.atan2(head_end[1] - tail_end[1], head_end[0] - tail_end[0])
        for _ in range(count):
            middle = _towards(tail_end, head_end, self._rng.uniform(-0.5, 1.3))
            spot = _beyond(middle, along + math.pi / 2, half * self._rng.uniform(-0.5, 1.0))
            size = self._rng.uniform(*sizes)
            self._pen.oval(spot, size, size * self._rng.uniform(0.7, 1.0), colour, turn=along)

    def _lines(self, tail_end: Point, head_end: Point, half: float) -> None:
        along = math.atan2(head_end[1] - tail_end[1], head_end[0] - tail_end[0])
        for height, colour in (
            (0.80, self._dark),
            (0.52, self._pale),
            (0.24, self._dark),
            (-0.02, self._pale),
        ):
            ends = [_towards(tail_end, head_end, share) for share in (-0.4, 1.3)]
            spine = [_beyond(end, along + math.pi / 2, half * height) for end in ends]
            self._pen.limb(spine, [0.04, 0.03], colour)

    def _legs(
        self, hip: Point, shoulder: Point, lift: float, colour: Colour, *, offset: float
    ) -> None:
        it = self._anatomy
        thick = 0.05 + it.girth * 0.06
        knee = (hip[0] - 0.06 + offset, hip[1] * 0.5)
        foot = (hip[0] + 0.06 + offset, thick * 0.6)
        self._pen.limb([hip, knee, foot], [thick * 1.9, thick * 1.5, thick * 0.75], colour)
        self._pen.oval((foot[0] + 0.06, thick * 0.55), 0.10 + it.leg * 0.2, thick * 0.6, colour)
        reach = (it.girth / 2 + it.leg) * 0.95
        paw = _beyond(shoulder, -math.pi / 2 + lift * 0.75, reach)
        paw = (paw[0] + offset, max(thick * 0.5, paw[1]))
        self._pen.limb([shoulder, paw], [thick * 1.3, thick * 0.62], colour)
        self._pen.oval((paw[0] + 0.03, paw[1]), 0.07, thick * 0.55, colour)

    def _head(self, centre: Point, nod: float) -> None:
        it = self._anatomy
        tip = _beyond(centre, nod, it.snout)
        self._pen.limb(
            [centre, _beyond(centre, nod, it.snout * 0.5), tip],
            [it.head * 0.85, it.head * (0.35 + it.snout_tip * 0.55), it.head * it.snout_tip],
            self._coat,
        )
        self._pen.furry(centre, it.head, it.head * 0.94, self._coat)
        jaw = _beyond(centre, nod - 0.75, it.head * 0.62)
        self._pen.oval(jaw, it.head * 0.42, it.head * 0.28, self._pale, turn=nod)
        if it.cheek:
            self._pen.furry(jaw, it.head * it.cheek, it.head * it.cheek * 0.85, self._pale)
        self._pen.oval(tip, 0.028 + it.head * it.snout_tip * 0.4, 0.03, _NOSE)
        self._eye(_beyond(centre, nod + 0.45, it.head * 0.5), nod)
        for angle in (-0.5, -0.2, 0.1):
            start = _beyond(centre, nod - 0.1, it.snout * 0.75)
            self._pen.limb([start, _beyond(start, nod + angle - 0.6, 0.2)], [0.003] * 2, _CREAM)

    def _eye(self, at: Point, nod: float) -> None:
        radius = self._anatomy.head * self._anatomy.eye
        if self._anatomy.mask:
            self._pen.oval(at, radius * 2.4, radius * 1.35, self._dark, turn=nod - 0.4)
        self._pen.oval(at, radius * 1.25, radius * 1.25, self._pale)
        self._pen.oval(at, radius, radius, _EYE)
        glint = (at[0] + radius * 0.3, at[1] + radius * 0.35)
        self._pen.oval(glint, radius * 0.3, radius * 0.3, (250, 250, 250))

    def _ear(self, head: Point, lift_deg: float, *, back: float, colour: Colour) -> None:
        it = self._anatomy
        angle = math.radians(90 + it.ear_tilt + lift_deg * 0.15) + back * 0.6 - 0.1
        base = _beyond(head, angle + 0.15, it.head * 0.72)
        base = (base[0] + back * 0.2 * it.head, base[1])
        self._pen.leaf(base, angle, it.ear, it.ear_width, colour)
        self._pen.leaf(_beyond(base, angle, 0.02), angle, it.ear * 0.78, it.ear_width * 0.5, _SKIN)

    def _face(self, centre: Point) -> None:
        it = self._anatomy
        x, y = centre
        wide = it.head * 1.15
        for side in (-1, 1):
            angle = math.pi / 2 - side * math.radians(it.ear_tilt + 8)
            base = (x + side * wide * 0.55, y + it.head * 0.62)
            self._pen.leaf(base, angle, it.ear, it.ear_width * 1.2, self._coat)
            self._pen.leaf(base, angle, it.ear * 0.8, it.ear_width * 0.65, _SKIN)
        self._pen.furry(centre, wide, it.head * 1.02, self._coat)
        for side in (-1, 1):
            if it.cheek:
                pouch = (x + side * wide * 0.62, y - it.head * 0.42)
                self._pen.furry(pouch, it.head * it.cheek, it.head * it.cheek * 0.8, self._pale)
            self._eye((x + side * wide * 0.42, y + it.head * 0.18), -side * 0.3)
        reach = max(0.25, it.snout * 1.1 - it.head * 0.9)
        tip = (x + self._rng.uniform(-0.04, 0.04), y - it.head * 0.2 - reach * 0.75)
        muzzle = [it.head * 0.42, it.head * (0.1 + it.snout_tip * 0.8)]
        self._pen.limb([(x, y - it.head * 0.2), tip], muzzle, self._pale)
        self._pen.oval((tip[0], tip[1] + 0.01), 0.045, 0.034, _NOSE)

    def _tail(self, root: Point, lift: float) -> None:
        length = self._anatomy.tail_length
        match self._anatomy.tail:
            case "stub":
                self._pen.furry(root, length, length * 0.8, self._pale)
            case "puff":
                back = _beyond(root, math.pi + lift * 0.5, length * 0.55)
                self._pen.furry(back, length, length, (246, 242, 234))
            case "whip":
                spine = self._curve(root, length, start=math.pi + 0.1, bend=-0.5)
                self._pen.limb(spine, _tapered(0.035, 0.008, len(spine)), _SKIN)
            case "ringed":
                self._ringed(self._curve(root, length, start=math.pi - 0.35, bend=-0.9))
            case "plume":
                self._plume(self._curve(root, length, start=math.pi - 0.1, bend=-2.5))

    def _ringed(self, spine: Sequence[Point]) -> None:
        self._pen.limb(spine, _tapered(0.085, 0.055, len(spine)), self._coat)
        for start in range(2, len(spine) - 1, 4):
            self._pen.polygon(_outline(spine[start : start + 3], [0.085] * 3), self._dark)

    def _plume(self, spine: Sequence[Point]) -> None:
        count = len(spine)
        for place, point in enumerate(spine):
            radius = 0.06 + 0.19 * math.sin(math.pi * min(1.0, place / (count - 1) * 0.92)) ** 0.8
            self._pen.furry(point, radius, radius, self._far if place % 3 else self._coat)
        for point in spine[3:-2]:
            self._pen.furry(point, 0.09, 0.09, self._pale)

    def _curve(self, root: Point, length: float, *, start: float, bend: float) -> list[Point]:
        bend *= self._rng.uniform(0.75, 1.25)
        points, step = [root], length / 18
        for place in range(18):
            points.append(_beyond(points[-1], start + bend * place / 18, step))
        return points


def _lit(layer: Image.Image, pose: Pose, rng: Random) -> Image.Image:
    """Give a flat figure roundness, from where the light comes, and fur."""
    alpha = layer.getchannel("A")
    reach = max(2.0, pose.body_px * 0.07)
    half = alpha.reduce(2).filter(ImageFilter.GaussianBlur(reach / 2))
    height = np.asarray(half.resize(layer.size, Image.Resampling.BILINEAR), np.float32) / 255
    down, right = np.gradient(height, 2.0 / reach)
    angle = math.radians(pose.light_deg)
    slope = right * math.cos(angle) - down * math.sin(angle)
    lightness = (1 - 1.1 * slope) * (0.66 + 0.42 * height)
    lightness += _fur(layer.size, rng)
    colours = np.asarray(layer.convert("RGB"), np.float32) * lightness[..., None]
    lit = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
    lit.putalpha(alpha)
    return lit


def _fur(size: tuple[int, int], rng: Random) -> NDArray[np.float32]:
    """Short streaks, lighter and darker, that follow the body."""
    width, height = size
    noise = np.random.default_rng(rng.getrandbits(64))
    grain = noise.standard_normal((height // 2 + 1, width // 6 + 1), np.float32) * 40 + 128
    streaks = Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).resize(
        size, Image.Resampling.BILINEAR
    )
    return (np.asarray(streaks, np.float32) - 128) * np.float32(0.0022)


def _oval(centre: Point, rx: float, ry: float, turn: float = 0.0, corners: int = 32) -> list[Point]:
    cos, sin = math.cos(turn), math.sin(turn)
    points = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners
        x, y = rx * math.cos(angle), ry * math.sin(angle)
        points.append((centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos))
    return points


def _outline(spine: Sequence[Point], radii: Sequence[float]) -> list[Point]:
    """The border around a bent line: down its one side, and back along the other."""
    left, right = [], []
    for place, ((x, y), radius) in enumerate(zip(spine, radii, strict=True)):
        before, after = spine[max(0, place - 1)], spine[min(len(spine) - 1, place + 1)]
        angle = math.atan2(after[1] - before[1], after[0] - before[0]) + math.pi / 2
        aside = (radius * math.cos(angle), radius * math.sin(angle))
        left.append((x + aside[0], y + aside[1]))
        right.append((x - aside[0], y - aside[1]))
    return left + right[::-1]


def _tapered(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * place / (count - 1) for place in range(count)]


def _beyond(start: Point, angle: float, distance: float) -> Point:
    return start[0] + math.cos(angle) * distance, start[1] + math.sin(angle) * distance


def _towards(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
