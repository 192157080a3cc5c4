"""What can be said of a derained clip when nobody knows the clean one.

Every measure rests on one property of rain: it brightens a pixel and is somewhere else a frame later, while the scene stays in
its (motion-compensated) place. Clips are luma `[T, H, W]` float32 in code values, 0 to 255. A measure that is not defined, such
as the transience of nothing, is NaN.

A no-reference picture score such as NIQE is not among them: it needs fitted parameters that no well-kept small package carries,
and it rewards the look of a single frame, not the absence of rain.
"""

import cv2
import numpy as np
from motion import Motion, follow
from numpy.typing import NDArray

Luma = NDArray[np.float32]
Mask = NDArray[np.bool_]

THRESHOLD = 4.0
"""Code values. Differences below are noise and coding, not rain."""
GAIN_PRIOR = 25.0
"""Squared code values. Where a region's contrast is below it, a change of tone is read as a shift alone."""
CHANCE_PX = 24
"""How far maps are displaced to learn what coincides by chance: farther than a streak is wide, near enough to be as rainy."""
_ELSEWHERE = [(-CHANCE_PX, 0), (CHANCE_PX, 0), (0, -CHANCE_PX), (0, CHANCE_PX)]


def luma(clip: NDArray[np.float32]) -> Luma:
    """RGB `[..., 3]` in [0, 1] to full-range BT.601 luma in code values."""
    return np.asarray(clip @ np.array([76.245, 149.685, 29.07], np.float32), np.float32)


def undo_tone(after: NDArray[np.float32], before: NDArray[np.float32], quiet: Mask) -> NDArray[np.float32]:
    """The output of a method in the tone of its input, so that a veil taken off is not mistaken for streaks or structure.

    After is taken for gain · before + shift, both smooth: least squares over the quiet pixels of a window of a quarter of the
    frame, for every channel, the gain drawn to 1 where there is no contrast. Pixels that do not fit within `THRESHOLD`, such as
    streaks that were taken for quiet, are left out of a second and third fit.

    Args:
        after: `[H, W, 3]` in [0, 1].
        before: `[H, W, 3]`, the input frame.
        quiet: `[H, W]`, pixels that are likely to be without rain.
    """
    weight = quiet[..., None].astype(np.float32)
    for _ in range(3):
        gain, shift = _fit_tone(after, before, weight)
        misfit = np.abs(after - gain * before - shift).max(-1)
        weight = (quiet & (255 * misfit < THRESHOLD))[..., None].astype(np.float32)
    return np.asarray((after - shift) / gain, np.float32)


def _fit_tone(
    after: NDArray[np.float32], before: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gain and shift, `[H, W, 3]` each; 1 and 0 where a window has no weight."""
    side = max(weight.shape) // 4 | 1
    total = cv2.blur(weight, (side, side))[..., None] + 1e-6

    def mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.blur(weight * x, (side, side)) / total

    prior = GAIN_PRIOR / 255**2
    mean_before, mean_after = mean(before), mean(after)
    variance = mean(before * before) - mean_before**2
    gain = np.clip((mean(before * after) - mean_before * mean_after + prior) / (variance + prior), 0.25, 4)
    return gain, mean_after - gain * mean_before


def transience(removed: Luma, motion: Motion) -> float:
    """Share of the removed light that was not there a frame before nor a frame after: rain 1, structure 0.

    The light is r = max(input − output, 0), zero below `THRESHOLD`, its energy r². A pixel's energy *stays* where, in the
    previous or following frame, the brightest r within one pixel of the same aligned place is at least half as large. Dense
    rain coincides by chance: c is the share that stays when the neighbours' maps are displaced by `CHANCE_PX` in four
    directions. The score is 1 − (s − c) / (1 − c) for a share s that stays, clipped to [0, 1]. Only pixels seen in both
    neighbours count.

    Args:
        removed: `[T, H, W]`, input − output.
        motion: reaching at least 1.

    Returns:
        In [0, 1], higher is better; NaN where nothing was removed.
    """
    light = _beyond_noise(np.maximum(removed, 0))
    wide = [cv2.dilate(frame, np.ones((3, 3), np.uint8)) for frame in light]
    total = stays = chance = 0.0
    for t in range(1, len(light) - 1):
        sights = {k: motion[t][k] for k in (-1, 1)}
        energy = light[t] ** 2 * (sights[-1].seen & sights[1].seen)
        total += float(energy.sum())
        beside = np.maximum(*(follow(wide[t + k], sight.flow) for k, sight in sights.items()))
        stays += float(energy[2 * beside >= light[t]].sum())
        chance += float(np.mean([energy[2 * np.roll(beside, way, (0, 1)) >= light[t]].sum() for way in _ELSEWHERE]))
    if not total:
        return np.nan
    if chance >= total:
        return 0.0
    return float(np.clip(1 - (stays - chance) / (total - chance), 0, 1))


def leak(removed: Luma, expected: Luma, seen: Mask) -> float:
    """How far the removed light follows the edges of the scene: structure taken for rain.

    Pearson's correlation of |input − output|, zero below `THRESHOLD`, with the gradient magnitude of the expected frame,
    averaged over 5×5 pixels, less the mean of the same with the gradient displaced by `CHANCE_PX` in four directions; mean over
    the frames where anything was removed. It does not ask how much that was. The expected frame must not come from the frame
    itself, whose streaks, where some are left in it, would count as edges.

    Args:
        removed: `[T, H, W]`, input − output.
        expected: `[T, H, W]`, `neighbours_median` of the input.
        seen: `[T, H, W]`, where that is known.

    Returns:
        In [−1, 1], 0 by chance, lower is better; NaN where nothing was removed.
    """
    scores = []
    for change, scene, known in zip(_beyond_noise(np.abs(removed)), expected, seen, strict=True):
        edges = cv2.blur(np.hypot(cv2.Sobel(scene, cv2.CV_32F, 1, 0), cv2.Sobel(scene, cv2.CV_32F, 0, 1)), (5, 5))
        if change[known].any() and edges[known].any():
            here, *elsewhere = [_correlation(change, np.roll(edges, way, (0, 1)), known) for way in [(0, 0), *_ELSEWHERE]]
            scores.append(here - np.mean(elsewhere))
    return float(np.mean(scores)) if scores else np.nan


def flicker(clip: Luma, motion: Motion) -> float:
    """Mean |frame − previous frame brought into register| over the pixels seen in it, in code values; lower is steadier.

    Noise and everything the flow misses are in it, so compare with other methods under the same `motion` only.
    """
    total = pixels = 0.0
    for t in range(1, len(clip)):
        flow, seen = motion[t][-1]
        total += float(np.abs(clip[t] - follow(clip[t - 1], flow))[seen].sum())
        pixels += int(seen.sum())
    return total / pixels if pixels else np.nan


def neighbours_median(clip: Luma, motion: Motion) -> tuple[Luma, Mask]:
    """What t ± 1 and t ± 2, brought into register, say of every frame but the frame itself.

    Returns:
        The median of the four, `[T, H, W]`, and the mask of pixels seen in all four; False throughout at both ends of a clip.
    """
    median, seen = clip.copy(), np.zeros(clip.shape, np.bool_)
    for t in range(2, len(clip) - 2):
        sights = motion[t]
        median[t] = np.median([follow(clip[t + k], sights[k].flow) for k in (-2, -1, 1, 2)], axis=0)
        seen[t] = np.logical_and.reduce([sights[k].seen for k in (-2, -1, 1, 2)])
    return median, seen


def deviation(clip: Luma, expected: Luma, seen: Mask) -> tuple[float, float]:
    """What stands out of a clip for one frame: transient light such as rain left, transient dark such as smears in its place.

    Mean of the part of clip − expected, and of expected − clip, that reaches `THRESHOLD`, over the pixels seen. Noise and what
    the flow misses are in both alike.

    Args:
        clip: `[T, H, W]`, the output of a method.
        expected: `[T, H, W]`, `neighbours_median` of the *input*, the same for every method.
        seen: `[T, H, W]`.

    Returns:
        (light, dark) in code values, lower is better; NaN where no pixel is seen.
    """
    if not seen.any():
        return np.nan, np.nan
    excess = (clip - expected)[seen]
    light, dark = (float(_beyond_noise(np.maximum(side, 0)).mean()) for side in (excess, -excess))
    return light, dark


def static_pixels(stretch: Luma) -> Mask:
    """`[H, W]`: pixels whose medians over both halves of `[T, H, W]` agree within `THRESHOLD`: nothing stayed but the scene."""
    middle = len(stretch) // 2
    return np.asarray(np.abs(np.median(stretch[:middle], axis=0) - np.median(stretch[middle:], axis=0)) < THRESHOLD)


def masked_psnr(clip: NDArray[np.float32], scene: NDArray[np.float32], mask: Mask) -> float:
    """PSNR in dB of `[T, H, W, 3]` in [0, 1] against one picture `[H, W, 3]`, over a mask `[T, H, W]`; NaN if that is empty."""
    if not mask.any():
        return np.nan
    error = float(((clip - scene) ** 2)[mask].mean())
    return float(-10 * np.log10(max(error, 1e-10)))


def _beyond_noise(change: Luma) -> Luma:
    return change * (change >= THRESHOLD)


def _correlation(a: Luma, b: Luma, where: Mask) -> float:
    return float(np.corrcoef(a[where], b[where])[0, 1])
