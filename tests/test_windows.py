"""N items in, N windows out, whatever the edges and cuts."""

from hypothesis import given
from hypothesis import strategies as st

from rmfd_cli.windows import sliding


@given(count=st.integers(0, 9), back=st.integers(0, 3), ahead=st.integers(0, 3))
def test_every_item_is_the_centre_of_one_window_with_edges_repeated(count, back, ahead):
    windows = list(sliding(range(count), back, ahead))
    expected = [tuple(min(max(i + k, 0), count - 1) for k in range(-back, ahead + 1)) for i in range(count)]
    assert [window.items for window in windows] == expected
    assert [window.begins for window in windows] == [i == 0 for i in range(count)]


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), back=st.integers(0, 2), ahead=st.integers(0, 2))
def test_scenes_are_windowed_as_if_each_were_alone(lengths, back, ahead):
    scenes = [[(s, i) for i in range(n)] for s, n in enumerate(lengths)]
    joined = sliding([item for scene in scenes for item in scene], back, ahead, lambda a, b: a[0] != b[0])
    alone = [window for scene in scenes for window in sliding(scene, back, ahead)]
    assert list(joined) == alone


@given(back=st.integers(0, 2), ahead=st.integers(0, 2))
def test_it_pulls_no_more_than_the_look_ahead(back, ahead):
    pulled = []

    def source():
        for i in range(20):
            pulled.append(i)
            yield i

    for yielded, _ in enumerate(sliding(source(), back, ahead)):
        assert len(pulled) <= yielded + ahead + 1
