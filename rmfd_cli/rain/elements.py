"""What a weather is made of: frozen values of plain numbers, so that `dataclasses.asdict` can be written as JSON.

Two families stand side by side. *Drops* (`Particles`, `Splashes`) are given in metres, seconds and mm/h and projected through
a camera. *Styles* (`StreakLayer`, `NoiseLayer`) are given in pixels and frames and imitate how published data sets paint
rain. `Veil`, `Lens` and `Camera` serve both, and a `Weather` is all of them over one clip.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Motion: TypeAlias = Literal["falling", "scattered"]
"""falling: the same drops move on from frame to frame. scattered: each frame draws its own, as image editors do."""

Light: TypeAlias = Literal["display", "linear"]
"""In what light the layers are composed: the encoded values of the file, or sRGB-decoded radiance."""


@dataclass(frozen=True)
class View:
    """The camera that looks at the scene; upright, level, without distortion."""

    field_of_view_degrees: float = 60.0
    """Horizontal angle of view of the rendered frame."""
    height_m: float = 1.5
    """Height of the camera over the ground."""
    horizon: float = 0.45
    """Row of the horizon as a share of the frame's height; the optical axis passes through it."""
    focus_m: float = 8.0
    """Distance that is in focus."""
    aperture_mm: float = 1.5
    """Diameter of the entrance pupil; a phone has about 2, a dashcam 1 to 2."""


@dataclass(frozen=True)
class Particles:
    """Drops in the air, persistent from frame to frame."""

    rain_rate_mm_h: float
    exposure_s: float
    wind_right_m_s: float = 0.0
    wind_towards_m_s: float = 0.0
    """Apparent wind towards the camera: the air's own and the camera's speed forward."""
    gust_m_s: float = 0.0
    """Standard deviation of the wind's smooth change over time."""
    turbulence_m_s: float = 0.3
    """Standard deviation of a drop's own sideways speed."""
    opacity_gain: float = 1.0
    """Physical opacity is multiplied by this; 1 is as rain is, published sets show up to twelve times more."""
    ripple: float = 0.0
    """Amplitude of the brightness oscillation of a drop, in [0, 1]."""


@dataclass(frozen=True)
class Splashes:
    """Drops that burst on the ground plane."""

    share: float
    """Share of the large drops that hit the ground which leave a visible burst."""
    opacity: float
    """Peak opacity of a burst."""


@dataclass(frozen=True)
class StreakLayer:
    """Drops at about one distance from the camera, in the style of a painted layer."""

    motion: Motion
    density: float
    """Streaks per pixel of the frame."""
    length_px: float
    """Median streak length, the way a drop moves during the exposure."""
    length_spread: float
    """Standard deviation of the logarithm of the length from drop to drop."""
    width_px: float
    """Standard deviation of a streak's cross-section; 0 is as thin as the pixel grid allows."""
    angle_degrees: float
    """Mean direction from the vertical, positive to the right."""
    angle_spread_degrees: float
    step: float
    """Way from frame to frame in streak lengths: one over the exposure's share of the frame interval."""
    opacity: float
    """Median opacity at a streak's centre line, in [0, 1]."""
    opacity_spread: float
    """Standard deviation of the logarithm of the opacity."""
    taper: float
    """Share of the length over which a streak fades in and out, in [0, 1]."""
    ripple: float
    """Amplitude of the brightness oscillation along a streak, in [0, 1]."""
    additive: bool
    """True: light is added (streak layer S). False: the drop covers the background (occlusion α, colour L)."""


@dataclass(frozen=True)
class NoiseLayer:
    """Noise, blurred along one direction: how rain is made in an image editor."""

    motion: Motion
    share: float
    """Share of the pixels that a streak starts from, in (0, 1)."""
    length_px: float
    angle_degrees: float
    grain_px: float
    """Standard deviation of the noise's own blur: the streaks' width."""
    step_px: float
    """Way per frame along the direction, where the layer moves."""
    opacity: float
    """Of a streak of mean strength on its centre line, however long it is; strengths go from none to twice that thickness."""
    additive: bool
    """As in `StreakLayer`."""


@dataclass(frozen=True)
class Veil:
    """Rain accumulation and its flow."""

    optical_depth: float
    """Mean of −ln T over the frame from the depth's relative shape; 0 is none of it."""
    relief: float
    """How far optical depth follows scene depth, in [0, 1]; 0 is the same everywhere."""
    airlight: tuple[float, float, float]
    """Colour of the veil, display-referred RGB in [0, 1]."""
    flow: float
    """Amplitude of the accumulation flow U relative to the airlight."""
    extinction_per_m: float = 0.0
    """β: besides `optical_depth`, −ln T grows by this per metre of depth."""


@dataclass(frozen=True)
class Lens:
    """Drops that cling to the front glass or to a windshield."""

    drops: int
    radius_px: float
    """Median radius at a frame height of 480 lines; it scales with the height."""
    running_px: float
    """Speed of those that run down, in pixels per frame at 480 lines; 0 is all at rest."""
    blur: float
    """How soft a drop's rim is, as a share of its radius."""


@dataclass(frozen=True)
class Coder:
    """The camera's video coder."""

    codec: Literal["h264", "hevc"]
    crf: int
    """Constant rate factor, from 0 (nearly lossless) to 51."""


@dataclass(frozen=True)
class Camera:
    """What the camera does to the picture after the rain."""

    read_noise: float
    """Standard deviation, in units of [0, 1]."""
    shot_noise: float
    """Noise variance per unit of brightness."""
    sharpen: float
    """Strength of an unsharp mask; negative blurs."""
    jpeg_quality: int
    """IJG quality of block compression; 100 leaves the picture alone."""
    coder: Coder | None = None
    """What codes the clip as a whole, last of all; for whoever has the whole clip to apply, the renderer knows frames."""


EYE_LEVEL = View()
CLEAR = Veil(optical_depth=0.0, relief=0.0, airlight=(0.8, 0.8, 0.8), flow=0.0)
PERFECT_CAMERA = Camera(read_noise=0.0, shot_noise=0.0, sharpen=0.0, jpeg_quality=100)


@dataclass(frozen=True)
class Weather:
    """Everything that is sampled once per clip."""

    layers: tuple[StreakLayer, ...]
    """Painted streaks."""
    veil: Veil
    drop_gain: float
    """How much of the scene's light a drop shows."""
    drop_glow: tuple[float, float, float]
    """Light that a drop shows besides, RGB in [0, 1], in the light that layers are composed in: the bright sky it refracts."""
    gust_degrees: float
    """How far the direction of painted rain swings during the clip."""
    camera: Camera
    noise: tuple[NoiseLayer, ...] = ()
    """Painted layers of blurred noise."""
    particles: Particles | None = None
    """Drops in metres."""
    splashes: Splashes | None = None
    """Bursts on the ground; they need `particles`."""
    lens: Lens | None = None
    """Drops on the glass."""
    view: View = EYE_LEVEL
    light: Light = "display"
    sky_bias: float = 0.0
    """What a drop shows: 0 the blurred scene behind it, 1 the world upside down with the sky over it."""
    lamp_gain: float = 0.0
    """How strongly lamps in view light the drops; for the night."""

    @property
    def rains(self) -> bool:
        """Whether anything falls; there may be a veil and drops on the lens all the same."""
        return bool(self.layers or self.noise or self.particles)


DRY = Weather(layers=(), veil=CLEAR, drop_gain=1.0, drop_glow=(0.0, 0.0, 0.0), gust_degrees=0.0, camera=PERFECT_CAMERA)
"""No rain at all: rendering it gives the clean clip back."""
