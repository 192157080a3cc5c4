"""What a step of the network takes, hands on and gives: values, none of which is ever changed."""

from typing import NamedTuple

from torch import Tensor

from rmfd_cli.model.image import Image


class Window(NamedTuple):
    """Three frames in time order and the flows that bring the outer two into register with the middle one."""

    previous: Image
    current: Image
    following: Image
    """At the edges of a scene the current frame stands in for a missing one."""
    to_previous: Tensor
    to_following: Tensor
    """`[B, H, W, 2]` displacement (x, y) in pixels, from `flow.enlarge_flow`."""
    previous_corner: tuple[int, int] = (0, 0)
    """(top, left) of the previous frame in the middle one, in pixels, where all are pieces and their sizes may differ: by so
    much less `to_previous` leads than the scene has moved."""
    between: bool = True
    """Whether the middle one lies between the others in time. Two from the same side may both lack what has come since, and as
    long as it rains little nothing is taken off on their word."""


class Registered(NamedTuple):
    """A window whose outer frames lie in register with the middle one; sides padded to multiples of the network's `UNIT`."""

    frame: Image
    previous: Tensor
    """`[B, 1, H, W]`, how the luma of the previous frame departs from that of the middle one."""
    following: Image
    """How the following frame departs from it."""
    evidence: Tensor
    """`[B, C, H/4, W/4]`, C channels of `InverseRecovery.squeeze`: what the window shows, in blocks of pixels."""
    cells: Tensor
    """From `veil.cells_of_frame`."""
    backwards: Tensor
    """`[B, H, W, 2]`: how far the pixels of the middle frame have moved in the previous one, `to_previous` of the window."""
    backwards_coarse: Tensor
    """The same at an eighth of the resolution."""
    resting: Tensor
    """`[B, 1, H/8, W/8]`, from `rest.resting_cells`."""
    agreement: Tensor
    """`[B, 1, H/8, W/8]`, from `witness.agreement_of`."""
    size: tuple[int, int]
    """(H, W) without padding."""


class State(NamedTuple):
    """What a step hands to the next; opaque to callers. All of it is stage 1's."""

    hidden: Tensor
    """`[B, hidden, H/8, W/8]`."""
    hazy_luma: Tensor
    hazy_chroma: Tensor
    """The last estimate of H."""
    airlight: Tensor
    """`[B, 3, 1, 1]`: running mean of A."""
    light: Tensor
    """`[B, LIGHT + deep_width, 1, 1]`: running mean of the light of the frame and of its features."""
    age: Tensor
    """`[B, 1, 1, 1]`: how many frames of the scene it has seen."""
    calm: Tensor
    """`[B, 3, 1, 1]`: from `rest.calm_of`: how hard it rains, how much of the picture rests, and how its light changes."""
    rested: Tensor
    """`[B, 1, H/8, W/8]`, from `rest.settling`: for how long cells have rested."""


class Cleared(NamedTuple):
    """What stage 1 finds around each pixel, before it judges the frame as a whole; padded."""

    hazy_luma: Tensor
    hazy_chroma: Tensor
    hidden: Tensor
    """As in `State`."""
    deep: Tensor
    """`[B, deep_width, H/8, W/8]`: features before the hidden state goes into them."""
    features: Tensor
    """`[B, width, H/4, W/4]`, as stage 2 takes them."""
    cells: Tensor
    """As in `Registered`."""
    resting: Tensor
    """As in `Registered`."""
    rested: Tensor
    """As in `State`."""
    taken: Tensor
    """`[B, 1, H/8, W/8]`: the light that was found to be rain, whether or not it was spared."""
    sparing: Tensor
    """`[B, 1, H/8, W/8]`, from `witness.sparing`: the share of what is found that is changed, which both stages keep to."""


class Recovered(NamedTuple):
    """What stage 1 hands to stage 2; padded."""

    hazy: Image
    airlight: Tensor
    """As in `Restored`."""
    veil: Tensor
    """`[B, 2, H/8, W/8]`: T and U."""
    features: Tensor
    sparing: Tensor
    """As in `Cleared`."""

    def seen_again(self, cleared: Cleared) -> "Recovered":
        """The same frame, the light of which stays judged as it was, once its rain has been taken off anew."""
        hazy = Image(cleared.hazy_luma, cleared.hazy_chroma)
        return self._replace(hazy=hazy, features=cleared.features, sparing=cleared.sparing)


class Restored(NamedTuple):
    """Every estimate of one step, for the middle frame of its window."""

    image: Image
    """B after refinement: the result, not clipped."""
    coarse: Image
    """B after the explicit inversion of stage 1."""
    hazy: Image
    """H: the frame without streaks and drops."""
    airlight: Tensor
    """A, `[B, 3, 1, 1]`, RGB."""
    veil: Tensor
    """T in [T_MIN, 1] and U, `[B, 2, ⌈H/8⌉, ⌈W/8⌉]`."""
