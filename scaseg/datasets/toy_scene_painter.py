"""Paints the pictures and label maps of ToyScenes: little streets under a traffic signal.

Two of the classes, waiting and moving cars, are painted by the same code with the same random numbers. What a car is
depends on the signal alone, which hangs from the upper edge of the image, and nothing else in the picture depends on
the signal:

    rows 0.0 H to 0.2 H: the signal, never occluded; red means that the cars wait, green means that they move
    rows 0.6 H to 1.0 H: the cars

Every car is therefore at least 0.4 H away from what decides its class (to a pixel, if H < 50), and a network that does
not look that far can only guess.

Coordinates are pixels, x to the right and y down; colours are RGB until the very last step.
"""

from collections.abc import Sequence

import cv2
import numpy as np

Colour = Sequence[int]

# A class with a higher number stands in front of those with lower ones where they meet, see `ignore_borders`.
CLASSES = ('sky', 'hill', 'building', 'tree', 'grass', 'road', 'signal', 'waiting car', 'moving car', 'pole')
SKY, HILL, BUILDING, TREE, GRASS, ROAD, SIGNAL, WAITING_CAR, MOVING_CAR, POLE = range(len(CLASSES))
PALETTE = [
    [120, 190, 235],
    [95, 130, 150],
    [185, 105, 75],
    [30, 105, 50],
    [135, 190, 70],
    [110, 90, 120],
    [250, 210, 50],
    [215, 30, 50],
    [40, 70, 220],
    [240, 240, 240],
]
IGNORE = 255

# Colour of the sky at the zenith and at the horizon, and the light it sheds on everything below.
MOODS = (
    ((70, 130, 205), (190, 220, 240), (1.0, 1.0, 1.0)),  # noon
    ((150, 185, 225), (250, 228, 200), (1.02, 0.98, 0.9)),  # morning
    ((140, 150, 162), (205, 208, 210), (0.86, 0.89, 0.93)),  # overcast
    ((75, 85, 145), (250, 175, 115), (1.0, 0.82, 0.7)),  # sunset
    ((30, 35, 75), (125, 105, 140), (0.6, 0.62, 0.8)),  # dusk
)
WALLS = ((196, 164, 132), (178, 98, 80), (205, 200, 190), (150, 155, 165), (215, 190, 120), (120, 130, 150))
FOLIAGE = ((45, 110, 50), (70, 130, 45), (95, 120, 40), (35, 90, 60), (170, 115, 40))
PAINTS = ((200, 40, 40), (40, 80, 170), (235, 235, 235), (170, 175, 180), (235, 190, 50), (50, 130, 90), (60, 60, 68))
GLASS, RUBBER, STEEL = (70, 90, 110), (28, 28, 32), (150, 150, 155)

# Strength of the slow and of the pixelwise variation in brightness, by class: foliage is rough, paint is smooth.
#                         sky   hill bldg tree grass road sign wait move pole
SLOW_TEXTURE = np.array([0.05, 0.2, 0.1, 0.3, 0.25, 0.12, 0.0, 0.1, 0.1, 0.0], np.float32)
FINE_TEXTURE = np.array([0.0, 0.06, 0.08, 0.4, 0.3, 0.14, 0.0, 0.04, 0.04, 0.0], np.float32)

# Outline and windows of a car that faces right; x from rear to front, y from the street upwards, both in 0..1.
CARS = (
    (  # saloon
        [(0, 0.2), (0, 0.55), (0.17, 0.62), (0.3, 1), (0.66, 1), (0.8, 0.62), (0.98, 0.52), (1, 0.2)],
        (
            [(0.24, 0.63), (0.33, 0.92), (0.47, 0.92), (0.47, 0.63)],
            [(0.51, 0.63), (0.51, 0.92), (0.63, 0.92), (0.73, 0.63)],
        ),
    ),
    (  # hatchback
        [(0, 0.2), (0, 0.65), (0.1, 1), (0.58, 1), (0.76, 0.62), (0.98, 0.54), (1, 0.2)],
        (
            [(0.08, 0.63), (0.15, 0.92), (0.33, 0.92), (0.33, 0.63)],
            [(0.38, 0.63), (0.38, 0.92), (0.55, 0.92), (0.69, 0.63)],
        ),
    ),
    (  # van
        [(0, 0.2), (0, 1), (0.74, 1), (0.88, 0.62), (1, 0.55), (1, 0.2)],
        ([(0.58, 0.62), (0.58, 0.9), (0.71, 0.9), (0.83, 0.62)],),
    ),
)


def paint_scene(rng: np.random.Generator, image_size: tuple[int, int], stop: bool) -> tuple[np.ndarray, np.ndarray]:
    """Paints one street, from back to front.

    Scenes painted from equal generators with the other ``stop`` differ in nothing but the lit lamp of the signal and
    the class of all cars.

    Args:
        rng: Source of everything that varies; it is used up by the call.
        image_size: Height H and width W in pixels, at least 32 each.
        stop: Whether the signal is red and the cars are waiting, else it is green and they are moving.

    Returns:
        The image, (H, W, 3) uint8 in BGR order, and its label map, (H, W) uint8 with indices into ``CLASSES``, or 255
        on the line of pixels just behind the border of an object.
    """
    canvas = Canvas(*image_size)
    zenith, haze, ambient = MOODS[rng.integers(len(MOODS))]
    paint_sky(canvas, rng, zenith, haze)
    paint_hills(canvas, rng, haze)
    paint_ground(canvas, rng)
    paint_buildings(canvas, rng)
    paint_trees(canvas, rng)
    paint_poles(canvas, rng, foot=0.615, tall=0.32, count=(0, 2))
    paint_cars(canvas, rng)
    paint_poles(canvas, rng, foot=0.97, tall=0.4, count=(1, 2))
    add_texture(canvas, rng)
    add_light(canvas, rng, ambient)
    paint_signal(canvas, rng, stop)
    image = photograph(canvas.image, rng)
    labels = ignore_borders(canvas.labels)
    if not stop:
        labels[labels == WAITING_CAR] = MOVING_CAR
    return image, labels


class Canvas:
    """An RGB image and its label map, painted with the same strokes.

    Shapes may reach beyond the canvas. A stroke without a label is a detail of the object beneath it.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width
        self.image = np.zeros((height, width, 3), np.uint8)
        self.labels = np.zeros((height, width), np.uint8)

    def polygon(
        self, points: np.ndarray | Sequence[tuple[float, float]], colour: Colour, label: int | None = None
    ) -> None:
        outline = np.rint(points).astype(np.int32)
        cv2.fillPoly(self.image, [outline], colour)
        if label is not None:
            cv2.fillPoly(self.labels, [outline], label)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, label: int | None = None) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, label)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, label: int | None = None) -> None:
        centre, axes = (round(x), round(y)), (round(rx), round(ry))
        cv2.ellipse(self.image, centre, axes, 0, 0, 360, colour, cv2.FILLED)
        if label is not None:
            cv2.ellipse(self.labels, centre, axes, 0, 0, 360, label, cv2.FILLED)


def vary(rng: np.random.Generator, colour: Colour, spread: int = 14) -> Colour:
    """A colour near the given one."""
    return np.clip(np.add(colour, rng.integers(-spread, spread + 1, 3)), 0, 255).tolist()


def how_many(rng: np.random.Generator, canvas: Canvas, fewest: int, most: int) -> int:
    """A random count for a square image, more in a wider one so that wide scenes are as rich."""
    return round(rng.integers(fewest, most + 1) * max(1.0, canvas.width / canvas.height))


def slow_noise(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Smooth noise of shape (height, width), float32 in -0.5..0.5, with ``cells`` random values along the height."""
    grid = rng.integers(0, 256, (cells, max(2, round(cells * width / height))), np.uint8)
    smooth = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return smooth.astype(np.float32) / 255 - 0.5


def paint_sky(canvas: Canvas, rng: np.random.Generator, zenith: Colour, haze: Colour) -> None:
    """A vertical gradient with clouds, which are puffs in the colour of the haze."""
    h, w = canvas.height, canvas.width
    canvas.image[:] = np.linspace(vary(rng, zenith), vary(rng, haze), h).astype(np.uint8)[:, None]
    cloud = (np.multiply(haze, 2) + 255) // 3
    for _ in range(how_many(rng, canvas, 0, 3)):
        x, y, size = rng.uniform(0, w), rng.uniform(0.05, 0.35) * h, rng.uniform(0.03, 0.06) * h
        for step in range(-2, 3):
            lift = rng.uniform(0, 0.5) * size
            canvas.ellipse(x + 1.1 * step * size, y - lift, 1.3 * size, (0.9 - 0.2 * abs(step)) * size, cloud.tolist())


def paint_hills(canvas: Canvas, rng: np.random.Generator, haze: Colour) -> None:
    """One or two ridges, the farther one the hazier."""
    h, w = canvas.height, canvas.width
    colour = vary(rng, (85, 120, 95), 20)
    x = np.linspace(0, w, 25)
    for distance in range(int(rng.integers(1, 3)), 0, -1):
        crest = rng.uniform(0.41, 0.47) - 0.05 * distance
        waves = [rng.uniform(0.01, 0.04) * np.sin(x / h * rng.uniform(3, 9) + rng.uniform(0, 6)) for _ in range(2)]
        ridge = np.column_stack([x, h * (crest + waves[0] + waves[1])])
        tint = np.add(np.multiply(colour, 3 - distance), np.multiply(haze, distance)) // 3
        canvas.polygon([*ridge, (w, h), (0, h)], tint.tolist(), HILL)


def paint_ground(canvas: Canvas, rng: np.random.Generator) -> None:
    """Grass, the two-lane road across it with its kerbs and dashed line, and grass again in front."""
    h, w = canvas.height, canvas.width
    green, grey = vary(rng, (105, 145, 65), 22), vary(rng, (100, 100, 104))
    canvas.box(0, rng.uniform(0.5, 0.56) * h, w, h, green, GRASS)
    far, near = rng.uniform(0.62, 0.65) * h, rng.uniform(0.94, 0.97) * h
    canvas.box(0, far, w, near, grey, ROAD)
    kerb = 0.012 * h
    canvas.box(0, far, w, far + kerb, (165, 163, 158))
    canvas.box(0, near - kerb, w, near, (165, 163, 158))
    dash, start = 0.11 * h, rng.uniform(-0.1, 0.1) * h
    for x in np.arange(start, w, 2 * dash):
        canvas.box(x, 0.79 * h, x + dash, 0.79 * h + kerb / 2, (220, 215, 190))


def paint_buildings(canvas: Canvas, rng: np.random.Generator) -> None:
    """Houses and blocks with a grid of windows, some of them lit."""
    h, w = canvas.height, canvas.width
    for _ in range(how_many(rng, canvas, 1, 4)):
        x, foot = rng.uniform(-0.1, 1) * w, rng.uniform(0.56, 0.6) * h
        breadth, tall = rng.uniform(0.14, 0.32) * h, rng.uniform(0.12, 0.4) * h
        wall, top = vary(rng, WALLS[rng.integers(len(WALLS))]), foot - tall
        canvas.box(x, top, x + breadth, foot, wall, BUILDING)
        if tall < 0.25 * h:  # a house, with a gable roof
            eaves, gable = 0.02 * h, (x + breadth / 2, top - 0.3 * breadth)
            canvas.polygon(
                [(x - eaves, top), gable, (x + breadth + eaves, top)], vary(rng, (130, 65, 55), 25), BUILDING
            )
        glass = (250, 225, 140) if rng.random() < 0.4 else GLASS
        pitch, pane = 0.055 * h, 0.028 * h
        for row in np.arange(top + 0.03 * h, foot - pitch, pitch):
            for column in np.arange(x + 0.02 * h, x + breadth - pane, pitch):
                canvas.box(column, row, column + pane, row + pane, glass)


def paint_trees(canvas: Canvas, rng: np.random.Generator) -> None:
    """Round trees of a few tufts, and firs of three tiers."""
    h, w = canvas.height, canvas.width
    for _ in range(how_many(rng, canvas, 2, 5)):
        x, foot, tall = rng.uniform(0, w), rng.uniform(0.58, 0.62) * h, rng.uniform(0.14, 0.3) * h
        green = vary(rng, FOLIAGE[rng.integers(len(FOLIAGE))])
        canvas.box(x - 0.05 * tall, foot - 0.4 * tall, x + 0.05 * tall, foot, (90, 65, 45), TREE)
        if rng.random() < 0.35:
            for tier in range(3):
                base, half = foot - (0.15 + 0.22 * tier) * tall, (0.3 - 0.07 * tier) * tall
                canvas.polygon(
                    [(x - half, base), (x + half, base), (x, base - 0.42 * tall)], vary(rng, green, 8), TREE
                )
        else:
            for _ in range(5):
                dx, dy = rng.uniform(-0.18, 0.18) * tall, rng.uniform(0.5, 0.8) * tall
                canvas.ellipse(x + dx, foot - dy, 0.22 * tall, 0.2 * tall, vary(rng, green, 10), TREE)


def paint_poles(canvas: Canvas, rng: np.random.Generator, foot: float, tall: float, count: tuple[int, int]) -> None:
    """Street lamps of one depth; ``foot`` and ``tall`` are fractions of the image's height.

    They are one to three pixels thin in an image 128 pixels high.
    """
    h, w = canvas.height, canvas.width
    for _ in range(how_many(rng, canvas, *count)):
        x, top = rng.uniform(0.03, 0.97) * w, (foot - tall * rng.uniform(0.9, 1.1)) * h
        thick = max(1, round(int(rng.integers(1, 4)) * h / 128))
        arm = 0.06 * h * rng.choice([-1, 1])
        metal = vary(rng, (95, 98, 100), 30)
        canvas.box(x, top, x + thick - 1, foot * h, metal, POLE)
        canvas.box(min(x, x + arm), top, max(x, x + arm), top, metal, POLE)
        canvas.ellipse(x + arm, top, 0.02 * h, 0.01 * h, (250, 240, 205), POLE)


def paint_cars(canvas: Canvas, rng: np.random.Generator) -> None:
    """At least one car in either lane; those in the near lane are larger and hide some of the far ones."""
    h, w = canvas.height, canvas.width
    for bottom, smallest, largest in ((0.77, 0.13, 0.155), (0.925, 0.165, 0.2)):
        length = min(2.4 * largest * h, 0.8 * w)
        places = max(1, int(w / (1.05 * length)))
        taken = rng.random(places) < 0.6
        taken[rng.integers(places)] = True
        for place in np.flatnonzero(taken):
            size = rng.uniform(smallest, largest) / largest
            room = w / places - size * length
            paint_car(
                canvas, rng, place * w / places + rng.uniform(0, room), bottom * h, size * length, size * largest * h
            )


def paint_car(
    canvas: Canvas, rng: np.random.Generator, left: float, bottom: float, length: float, height: float
) -> None:
    """A car seen from the side. All are labelled as waiting: whether they are is not for the paint to know."""
    outline, windows = CARS[rng.integers(len(CARS))]
    paint, faces_right = vary(rng, PAINTS[rng.integers(len(PAINTS))]), rng.random() < 0.5

    def place(points: Sequence[tuple[float, float]]) -> np.ndarray:
        along, up = np.transpose(points)
        return np.column_stack([left + (along if faces_right else 1 - along) * length, bottom - up * height])

    canvas.ellipse(left + length / 2, bottom, 0.52 * length, 0.1 * height, (48, 48, 52))
    canvas.polygon(place(outline), paint, WAITING_CAR)
    canvas.polygon(place([(0, 0.2), (0, 0.34), (1, 0.34), (1, 0.2)]), np.multiply(paint, 0.7).tolist())
    for window in windows:
        canvas.polygon(place(window), GLASS)
    for x, y in place([(0.21, 0.2), (0.79, 0.2)]):
        canvas.ellipse(x, y, 0.2 * height, 0.2 * height, RUBBER, WAITING_CAR)
        canvas.ellipse(x, y, 0.09 * height, 0.09 * height, STEEL)
    lamp = 0.05 * height
    for (x, y), colour in zip(place([(0.02, 0.46), (0.97, 0.44)]), ((130, 25, 30), (250, 245, 215)), strict=True):
        canvas.ellipse(x, y, lamp, lamp, colour)


def paint_signal(canvas: Canvas, rng: np.random.Generator, stop: bool) -> None:
    """The signal at the upper edge, in front of everything, with one of its two lamps lit."""
    unit = min(canvas.height, canvas.width)
    x, top = rng.uniform(0.1 * unit, canvas.width - 0.1 * unit), rng.uniform(0.012, 0.02) * unit
    half, tall, radius = 0.048 * unit, 0.165 * unit, 0.033 * unit
    canvas.box(x, 0, x, top, (70, 72, 75), SIGNAL)
    canvas.box(x - half, top, x + half, top + tall, (245, 205, 60), SIGNAL)
    rim = max(1, 0.008 * unit)
    canvas.box(x - half + rim, top + rim, x + half - rim, top + tall - rim, (24, 24, 28))
    red, green = ((255, 40, 45), (45, 60, 52)) if stop else ((66, 42, 44), (40, 245, 130))
    canvas.ellipse(x, top + 0.28 * tall, radius, radius, red)
    canvas.ellipse(x, top + 0.72 * tall, radius, radius, green)


def add_texture(canvas: Canvas, rng: np.random.Generator) -> None:
    """Roughens every surface by the strength that its class has."""
    slow = slow_noise(rng, canvas.height, canvas.width, cells=14)
    fine = rng.random(canvas.labels.shape, np.float32) - 0.5
    gain = 1 + SLOW_TEXTURE[canvas.labels] * slow + FINE_TEXTURE[canvas.labels] * fine
    canvas.image = np.clip(canvas.image * gain[..., None], 0, 255).astype(np.uint8)


def add_light(canvas: Canvas, rng: np.random.Generator, ambient: Sequence[float]) -> None:
    """The light of the day below the sky, a gradient across the picture, and the shadow of something unseen."""
    h, w = canvas.height, canvas.width
    light = np.array(ambient, np.float32) * (rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)).astype(np.float32)
    across, down = rng.uniform(-0.15, 0.15, 2).astype(np.float32)
    gain = (
        1 + across * np.linspace(-1, 1, w, dtype=np.float32) + down * np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    )

    shadow = np.zeros((h, w), np.uint8)
    start, breadth, slant = rng.uniform(-0.3, 1) * w, rng.uniform(0.1, 0.5) * w, rng.uniform(-0.4, 0.4) * h
    corners = [(start, 0.57 * h), (start + breadth, 0.57 * h), (start + breadth + slant, h), (start + slant, h)]
    cv2.fillPoly(shadow, [np.rint(corners).astype(np.int32)], int(rng.integers(0, 120)))
    gain -= cv2.blur(shadow, (max(3, w // 24), max(3, h // 24))) / np.float32(255)

    shone_on = np.where((canvas.labels == SKY)[..., None], np.float32(1), light)
    canvas.image = np.clip(canvas.image * shone_on * gain[..., None], 0, 255).astype(np.uint8)


def photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of the painting: slightly soft, noisy, in BGR order."""
    soft = cv2.GaussianBlur(image, (3, 3), 0.6)
    noise = np.float32(rng.uniform(1.5, 6)) * rng.standard_normal(image.shape, np.float32)
    return cv2.cvtColor(np.clip(soft + noise, 0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR)


def ignore_borders(labels: np.ndarray) -> np.ndarray:
    """Sets to 255 what touches a class of higher number, which is a line one pixel wide just behind each object.

    The pixels in front keep their class, so that structures one pixel thin are not lost.
    """
    touched = cv2.dilate(labels, np.ones((3, 3), np.uint8))
    return np.where(touched > labels, np.uint8(IGNORE), labels)
