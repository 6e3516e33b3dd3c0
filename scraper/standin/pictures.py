"""Draws a folder of pictures of imaginary animals, with all that a crawl brings home.

    DIR/<species>/NNN.ext    originals, copies, near copies, and files that are no pictures
    DIR/truth.csv            file, species, kind, of: what each file really is

The same recipe gives the same bytes under the same versions of Pillow and NumPy, with any
number of workers: each picture has a source of chance of its own.
"""

from __future__ import annotations

import csv
import io
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from scraper.errors import UsageError
from scraper.standin.anatomy import ANATOMIES, SPECIES, Anatomy, coat
from scraper.standin.animals import Pose, draw_animal
from scraper.standin.scenes import draw_scene

Kind = Literal["original", "duplicate", "near-duplicate", "corrupt", "too-small", "conflict"]
Form = Literal["jpeg", "png", "palette", "alpha", "webp", "gif"]

TRUTH_COLUMNS = ("file", "species", "kind", "of")
_ABUNDANCE = dict(zip(SPECIES, (1.0, 1.15, 0.95, 0.9, 0.55), strict=True))
"""How many pictures of each species there are, against `per_species`."""
_CANVAS_PX = 640
"""The longer side at which a scene is drawn, before it gets its size."""
_TILE_PX = 256
_WEB_PAGE = b"<!doctype html>\n<title>Moved</title>\n<h1>This picture has moved</h1>\n"
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecipe:
    """What to draw. Counts are rounded, and nothing but originals is drawn where none fits."""

    seed: int = 0
    per_species: int = 60
    """Originals of a species of middling abundance."""
    duplicates: float = 0.05
    """Byte-identical copies, as a share of the originals."""
    near_duplicates: float = 0.10
    """Resized, recompressed, cropped, brightened or mirrored copies, as a share likewise."""
    conflicts: int = 2
    """Copies that lie in another species' folder."""
    corrupt: int = 4
    too_small: int = 1
    min_side_px: int = 250
    max_side_px: int = 3500

    def __post_init__(self) -> None:
        if self.per_species < 1:
            raise UsageError(f"--per-species must be at least 1, not {self.per_species}")
        if min(self.duplicates, self.near_duplicates) < 0:
            raise UsageError("shares of duplicates must not be negative")
        if min(self.conflicts, self.corrupt, self.too_small) < 0:
            raise UsageError("counts of odd files must not be negative")
        if not 64 <= self.min_side_px <= self.max_side_px // 2:
            raise UsageError("sides must be 64 px or more, and differ by a factor of 2 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One file to make."""

    species: str
    name: str
    kind: Kind
    number: int
    """Counts the drawings of one kind: of one species for originals, of all for others."""
    of: Drawing | None = None
    """The original that it copies."""

    @property
    def file(self) -> str:
        """Its place below the directory."""
        return f"{self.species}/{self.name}"


def draw(directory: Path, *, recipe: PictureRecipe, workers: int = 2) -> Iterator[Path]:
    """Draw everything into `directory`, and yield each file when it is there; the truth last.

    Raises:
        UsageError: the directory holds something already, or cannot be written to.
    """
    drawings = plan(recipe)
    _make_folders(directory)
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        yield from pool.map(
            lambda drawing: _write(directory / drawing.file, render(drawing, recipe)), drawings
        )
        yield _write(directory / "truth.csv", _truth(drawings))
    finally:
        pool.shutdown(cancel_futures=True)


def plan(recipe: PictureRecipe) -> list[Drawing]:
    """Every file that the recipe asks for, by species and name; numbers are dealt at random."""
    rng = Random(f"plan:{recipe.seed}")
    counts = {
        species: max(1, round(recipe.per_species * abundance))
        for species, abundance in _ABUNDANCE.items()
    }
    odd = _odd_files(recipe, counts, rng)
    numbers = {}
    for species, count in counts.items():
        total = count + sum(home == species for home, *_ in odd)
        numbers[species] = iter(rng.sample(range(1, total + 1), total))
    originals = {
        species: [_original(species, next(numbers[species]), i, recipe) for i in range(count)]
        for species, count in counts.items()
    }
    others = [
        _odd_file(home, next(numbers[home]), kind, number, of and originals[of[0]][of[1]])
        for number, (home, kind, of) in enumerate(odd)
    ]
    everything = [*(drawing for drawings in originals.values() for drawing in drawings), *others]
    return sorted(everything, key=lambda drawing: drawing.file)


def render(drawing: Drawing, recipe: PictureRecipe) -> bytes:
    """The bytes of one file."""
    rng = Random(f"{recipe.seed}:{drawing.species}:{drawing.kind}:{drawing.number}")
    match drawing.kind, drawing.of:
        case "duplicate", Drawing() as original:
            return render(original, recipe)
        case "near-duplicate", Drawing() as original:
            return _nearly(render(original, recipe), drawing.number, recipe, rng)
        case "conflict", Drawing() as original:
            body = render(original, recipe)
            return body if drawing.number % 2 else _nearly(body, drawing.number, recipe, rng)
        case "corrupt", _:
            return _spoilt(drawing.species, drawing.number, rng)
        case "too-small", _:
            return _encode(_picture(drawing.species, (48, 36), rng), "jpeg", rng)
        case _:
            form = _form(drawing.species, drawing.number, recipe)
            image = _picture(
                drawing.species, _size(form, recipe, rng), rng, cut_out=form == "alpha"
            )
            return _encode(image, form, rng)


# --- what to make ---------------------------------------------------------------------------

_OddFile = tuple[str, Kind, tuple[str, int] | None]
"""Species, kind, and the original it copies as species and number."""


def _odd_files(recipe: PictureRecipe, counts: dict[str, int], rng: Random) -> list[_OddFile]:
    """All that is not an original, in no order that matters."""
    everyone = [(species, number) for species, count in counts.items() for number in range(count)]
    rng.shuffle(everyone)
    copied = iter(everyone)
    odd: list[_OddFile] = []
    kinds: tuple[tuple[Kind, int], ...] = (
        ("conflict", recipe.conflicts),
        ("duplicate", round(recipe.duplicates * len(everyone))),
        ("near-duplicate", round(recipe.near_duplicates * len(everyone))),
    )
    for kind, count in kinds:
        for of in islice(copied, count):
            home = of[0] if kind != "conflict" else rng.choice([s for s in SPECIES if s != of[0]])
            odd.append((home, kind, of))
    odd += [(rng.choice(SPECIES), "corrupt", None) for _ in range(recipe.corrupt)]
    odd += [(rng.choice(SPECIES), "too-small", None) for _ in range(recipe.too_small)]
    return odd


def _original(species: str, place: int, number: int, recipe: PictureRecipe) -> Drawing:
    suffix = _FORMS[_form(species, number, recipe)].suffix
    return Drawing(species=species, name=f"{place:03d}{suffix}", kind="original", number=number)


def _odd_file(species: str, place: int, kind: Kind, number: int, of: Drawing | None) -> Drawing:
    is_copy = of is not None and (kind == "duplicate" or (kind == "conflict" and number % 2))
    suffix = Path(of.name).suffix if of is not None and is_copy else ".jpg"
    name = f"{place:03d}{suffix}"
    return Drawing(species=species, name=name, kind=kind, number=number, of=of)


def _form(species: str, number: int, recipe: PictureRecipe) -> Form:
    """The file format of an original: mostly JPEG, as on the web."""
    rng = Random(f"{recipe.seed}:{species}:form:{number}")
    shares = [encoding.share for encoding in _FORMS.values()]
    (form,) = rng.choices(tuple(_FORMS), shares)
    return form


def _size(form: Form, recipe: PictureRecipe, rng: Random) -> tuple[int, int]:
    """Width and height in pixels: many of middling size, few very large ones."""
    shortest, longest = recipe.min_side_px, min(recipe.max_side_px, _FORMS[form].max_side_px)
    long = round(min(longest, max(shortest * 1.2, rng.lognormvariate(math.log(780), 0.6))))
    short = max(shortest, round(long / (1 + rng.random() ** 1.8)))
    return (long, short) if rng.random() < 0.72 else (short, long)


# --- how a picture is made ------------------------------------------------------------------


def _picture(
    species: str, size: tuple[int, int], rng: Random, *, cut_out: bool = False
) -> Image.Image:
    """One animal in its place: RGB, or RGBA without the place where it is cut out."""
    scale = min(1.0, _CANVAS_PX / max(size))
    canvas = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    anatomy = ANATOMIES[species].individual(rng)
    pose = _pose(anatomy, canvas, rng)
    animal = draw_animal(anatomy, coat(species, rng), pose, size=canvas, rng=rng)
    if cut_out:
        return animal.resize(size, Image.Resampling.BICUBIC)
    scene = draw_scene(canvas, int(pose.feet[1]), rng)
    image = scene.back
    _cast_shadow(image, pose)
    image.paste(animal, (0, 0), animal)
    if scene.front is not None:
        image.paste(scene.front, (0, 0), scene.front)
    return _grained(_in_light(image, rng).resize(size, Image.Resampling.BICUBIC), rng)


def _pose(anatomy: Anatomy, canvas: tuple[int, int], rng: Random) -> Pose:
    """A stance in which most of the animal is in the picture, and now and then not all."""
    width, height = canvas
    lift_deg = rng.uniform(20, 55) if rng.random() < 0.35 else rng.uniform(-4, 12)
    feet = (width * rng.uniform(0.43, 0.57), height * rng.uniform(0.80, 0.93))
    rise = 0.6 * math.sin(math.radians(max(0.0, lift_deg)))
    tall = anatomy.leg + anatomy.girth + rise + 1.6 * anatomy.head + 0.8 * anatomy.ear
    return Pose(
        view="face" if rng.random() < 0.1 else "side",
        lift_deg=lift_deg,
        turn_deg=rng.uniform(-5, 5),
        faces_left=rng.random() < 0.5,
        feet=feet,
        body_px=min(width * rng.uniform(0.48, 0.64), feet[1] / tall * rng.uniform(0.84, 1.10)),
        light_deg=rng.uniform(30, 150),
    )


def _cast_shadow(image: Image.Image, pose: Pose) -> None:
    mask = Image.new("L", image.size)
    x, y = pose.feet
    wide, high = pose.body_px * 0.62, pose.body_px * 0.09
    ImageDraw.Draw(mask).ellipse((x - wide, y - high, x + wide, y + high), fill=120)
    mask = mask.filter(ImageFilter.GaussianBlur(max(1.0, pose.body_px * 0.04)))
    image.paste((16, 16, 20), (0, 0), mask)


def _in_light(image: Image.Image, rng: Random) -> Image.Image:
    """The picture as a camera saw it: warm or cold, bright or dull, sharp or not quite."""
    warmth = rng.uniform(0.96, 1.04)
    light = rng.triangular(0.82, 1.15, 1.0)
    pixels = np.asarray(image, np.float32)
    grey = pixels.mean()
    contrast = rng.uniform(0.88, 1.15)
    gains = np.array([light * warmth, light, light / warmth], np.float32)
    seen = ((pixels - grey) * contrast + grey) * gains
    taken = Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
    if rng.random() < 0.2:
        taken = taken.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.3)))
    return taken


def _grained(image: Image.Image, rng: Random) -> Image.Image:
    """The noise of a sensor: a tile of it, laid over the whole picture."""
    strength = rng.choice((0, 2, 3, 5, 9))
    if not strength:
        return image
    noise = np.random.default_rng(rng.getrandbits(64))
    tile = Image.fromarray(
        np.clip(noise.normal(128, strength, (_TILE_PX, _TILE_PX, 3)), 0, 255).astype(np.uint8)
    )
    grain = Image.new("RGB", image.size)
    for x in range(0, image.width, _TILE_PX):
        for y in range(0, image.height, _TILE_PX):
            grain.paste(tile, (x, y))
    return ImageChops.add(image, grain, offset=-128)


# --- how it is stored -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoding:
    """A way to store a picture: how common it is, and how large it gets."""

    suffix: str
    share: float
    max_side_px: int = 1100


_FORMS: dict[Form, _Encoding] = {
    "jpeg": _Encoding(suffix=".jpg", share=0.74, max_side_px=10_000),
    "png": _Encoding(suffix=".png", share=0.07),
    "palette": _Encoding(suffix=".png", share=0.04),
    "alpha": _Encoding(suffix=".png", share=0.03),
    "webp": _Encoding(suffix=".webp", share=0.09),
    "gif": _Encoding(suffix=".gif", share=0.03),
}
_TURNED = {
    6: Image.Transpose.ROTATE_90,
    3: Image.Transpose.ROTATE_180,
    8: Image.Transpose.ROTATE_270,
}
"""How pixels must lie for a viewer that obeys the EXIF orientation to show them upright."""


def _encode(image: Image.Image, form: Form, rng: Random) -> bytes:
    buffer = io.BytesIO()
    match form:
        case "jpeg":
            return _encode_jpeg(image, rng.randint(42, 95), rng, may_turn=True)
        case "webp":
            image.save(buffer, "WEBP", quality=rng.randint(45, 92), method=1)
        case "palette":
            _few_colours(image, rng.choice((64, 128, 256))).save(buffer, "PNG", compress_level=3)
        case "gif":
            _few_colours(image, 128).save(buffer, "GIF")
        case "png" | "alpha":
            image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _few_colours(image: Image.Image, count: int) -> Image.Image:
    return image.quantize(count, method=Image.Quantize.FASTOCTREE)


def _encode_jpeg(image: Image.Image, quality: int, rng: Random, *, may_turn: bool = False) -> bytes:
    exif = Image.Exif()
    if may_turn and rng.random() < 0.12:
        orientation = rng.choice(tuple(_TURNED))
        exif[_ORIENTATION_TAG] = orientation
        image = image.transpose(_TURNED[orientation])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, exif=exif)
    return buffer.getvalue()


def _nearly(body: bytes, number: int, recipe: PictureRecipe, rng: Random) -> bytes:
    """A copy that differs as copies on the web do."""
    with Image.open(io.BytesIO(body)) as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGBA")
    image = Image.new("RGB", upright.size, "white")
    image.paste(upright, (0, 0), upright)
    return _ALIKE[number % len(_ALIKE)](image, recipe, rng)


def _resized(image: Image.Image, recipe: PictureRecipe, rng: Random) -> bytes:
    factor = rng.uniform(0.5, 0.8)
    if min(image.size) * factor < recipe.min_side_px:
        factor = rng.uniform(1.2, 1.5)
    size = (round(image.width * factor), round(image.height * factor))
    return _encode_jpeg(image.resize(size, Image.Resampling.LANCZOS), 85, rng)


def _recompressed(image: Image.Image, _: PictureRecipe, rng: Random) -> bytes:
    return _encode_jpeg(image, rng.randint(25, 45), rng)


def _cropped(image: Image.Image, _: PictureRecipe, rng: Random) -> bytes:
    left, top, right, bottom = (rng.uniform(0.0, 0.025) for _ in range(4))
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return _encode_jpeg(image.crop(tuple(round(edge) for edge in box)), 88, rng)  # type: ignore[arg-type]


def _brightened(image: Image.Image, _: PictureRecipe, rng: Random) -> bytes:
    light = rng.choice((0.82, 0.88, 1.12, 1.2))
    return _encode_jpeg(ImageEnhance.Brightness(image).enhance(light), 88, rng)


def _mirrored(image: Image.Image, _: PictureRecipe, rng: Random) -> bytes:
    return _encode_jpeg(ImageOps.mirror(image), 88, rng)


_ALIKE: tuple[Callable[[Image.Image, PictureRecipe, Random], bytes], ...] = (
    _resized,
    _recompressed,
    _cropped,
    _brightened,
    _mirrored,
)


def _spoilt(species: str, number: int, rng: Random) -> bytes:
    """What calls itself a JPEG and is none, in each of four ways."""
    match number % 4:
        case 0:
            body = _encode_jpeg(_picture(species, (480, 360), rng), 85, rng)
            return body[: round(len(body) * rng.uniform(0.3, 0.7))]
        case 1:
            return _WEB_PAGE
        case 2:
            return b""
        case _:
            return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + rng.randbytes(4096)


# --- where it goes --------------------------------------------------------------------------


def _make_folders(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty: name a new folder for the pictures")
        for species in SPECIES:
            (directory / species).mkdir()
    except OSError as error:
        raise UsageError(f"cannot draw into {directory}: {error.strerror}") from error


def _write(path: Path, body: bytes) -> Path:
    """Put a file in its place, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(body)
        Path(file.name).chmod(0o644)
        return Path(file.name).replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _truth(drawings: Sequence[Drawing]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(TRUTH_COLUMNS)
    for drawing in drawings:
        of = drawing.of.file if drawing.of else ""
        table.writerow((drawing.file, drawing.species, drawing.kind, of))
    return text.getvalue().encode()
