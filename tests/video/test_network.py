"""Sources by URL: a web server, servers that fail, and a stream that plays now."""

import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import pytest

from rmfd_cli.derain import derain
from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.options import DerainOptions
from rmfd_cli.video import location, opening
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.rtsp import Camera
from tests.stand_ins import unchanged


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a web server."""
    folder = tmp_path / "web"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_file_on_a_web_server_comes_with_all_that_is_in_it(clip, web, tmp_path):
    address, folder = web
    (folder / "rich.mkv").write_bytes(clip(media.rich, ".mkv").read_bytes())
    report = derain(f"{address}/rich.mkv?key=secret", tmp_path / "o.mkv", unchanged)
    assert (report.frames, report.warnings) == (30, ())
    with av.open(str(tmp_path / "o.mkv")) as after:
        assert [stream.type for stream in after.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
        assert after.metadata["title"] == "A wet street"


def test_the_times_of_a_file_on_a_web_server_are_looked_at_ahead(clip, web, tmp_path):
    address, folder = web
    (folder / "even.mkv").write_bytes(clip(media.no_audio, ".mkv").read_bytes())
    (folder / "uneven.mp4").write_bytes(clip(media.vfr).read_bytes())
    assert derain(f"{address}/even.mkv", tmp_path / "o.avi", unchanged).frames == 30
    with pytest.raises(OutputError, match="frame rate varies"):
        derain(f"{address}/uneven.mp4", tmp_path / "p.avi", unchanged)


def test_a_piece_of_a_file_on_a_web_server(rmfd, clip, web, tmp_path):
    address, folder = web
    (folder / "in.mp4").write_bytes(media.front_index(tmp_path / "front.mp4", clip(media.cfr)).read_bytes())
    done = rmfd("derain", f"{address}/in.mp4", "-o", tmp_path, "--start", "0.4", "--duration", "0.4s", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    with VideoReader(tmp_path / "in.mp4") as video:
        assert [media.frame_number(frame.planes[0]) for frame in video] == list(range(10, 20))


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp", "tcp"])
def test_nobody_listens(tmp_path, scheme):
    with pytest.raises(InputError, match="refused"):
        derain(f"{scheme}://me:secret@127.0.0.1:{free_port()}/in.mp4", tmp_path / "o.mp4", unchanged)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp", "tcp", "udp"])
def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch, scheme):
    for module in (location, opening):
        monkeypatch.setattr(module, "NETWORK_SECONDS", 0.6)
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as silent:
        port = free_port()
        if scheme != "udp":
            silent.bind(("127.0.0.1", port))
            silent.listen()
        with pytest.raises(InputError, match="does not answer within"):
            derain(f"{scheme}://127.0.0.1:{port}/x", tmp_path / "o.mp4", unchanged)


def test_what_is_not_there_and_what_is_no_video_are_one_line(rmfd, web):
    address, folder = web
    (folder / "page.html").write_text("<p>no video</p>")
    for name, word in (("missing.mp4", "404"), ("page.html", "not a video")):
        done = rmfd("derain", f"{address}/{name}", "-o", folder / "o.mp4")
        assert done.exit_code == 1
        assert word in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_password_is_told_to_nobody(rmfd, tmp_path):
    url = f"rtsp://me:secret@127.0.0.1:{free_port()}/x?token=secret"
    done = rmfd("derain", url, "-o", tmp_path / "o.mp4", "--report", tmp_path / "r.json", "--log-file", tmp_path / "log")
    assert done.exit_code == 1
    for text in (done.stderr, (tmp_path / "r.json").read_text(), (tmp_path / "log").read_text()):
        assert "127.0.0.1" in text
        assert "secret" not in text


@pytest.fixture
def live(clip) -> Iterator[str]:
    """A transport stream with sound that plays for as long as one listens."""
    port = free_port()
    server = [media.FFMPEG, "-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-stream_loop", "-1"]
    source = ["-i", str(clip(media.cfr)), "-c:v", "copy", "-c:a", "copy", "-f", "mpegts"]
    with subprocess.Popen([*server, *source, f"tcp://127.0.0.1:{port}?listen=1"]) as process:
        wait_for_listener(port)
        yield f"tcp://127.0.0.1:{port}"
        process.kill()


def wait_for_listener(port: int) -> None:
    # To connect would be to take the only place.
    for _ in range(200):
        if f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.02)
    raise AssertionError("nobody listens")


def test_a_live_stream_is_cut_by_duration_and_its_sound_named(rmfd, live, tmp_path):
    done = rmfd("derain", live, "-o", tmp_path / "o.mkv", "--duration", "0.8s")
    assert done.exit_code == 0, done.stderr
    assert "audio stream 1 (aac) is left out" in done.stderr
    with VideoReader(tmp_path / "o.mkv") as video:
        frames = list(video)
    numbers = [media.frame_number(frame.planes[0]) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert frames[0].pts == 0


def test_a_camera_is_recorded_by_duration_over_its_one_connection(rmfd, clip, tmp_path):
    with Camera(clip(media.cfr), tmp_path) as camera:
        done = rmfd("derain", camera.url, "-o", tmp_path / "o.mkv", "--duration", "0.8s")
    assert done.exit_code == 0, done.stderr
    assert camera.asked.count("PLAY") == 1
    assert "audio stream 1 (aac) is left out" in done.stderr
    with VideoReader(tmp_path / "o.mkv") as video:
        frames = [(media.frame_number(frame.planes[0]), frame.pts * video.info.time_base) for frame in video]
    # Its clock is known from the second frame on, and the duration counted from there.
    assert [number for number, _ in frames] in (list(range(20)), list(range(21)))
    assert all(abs(after - before - Fraction(1, 25)) <= Fraction(1, 1000) for (_, before), (_, after) in pairwise(frames))


def test_a_live_stream_that_goes_silent_is_no_whole_video(clip, tmp_path, monkeypatch):
    for module in (location, opening):
        monkeypatch.setattr(module, "NETWORK_SECONDS", 1.0)
    data = media.encode(tmp_path / "in.ts", frames=60).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        held: list[socket.socket] = []

        def serve() -> None:
            for _ in range(2):
                held.append(server.accept()[0])
                held[-1].sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(InputError, match=r"nothing came for .* --salvage"):
            derain(f"tcp://127.0.0.1:{port}", tmp_path / "o.mkv", unchanged)
        assert not (tmp_path / "o.mkv").exists()
        report = derain(f"tcp://127.0.0.1:{port}", tmp_path / "o.mkv", unchanged, DerainOptions(salvage=True))
        assert report.frames > 50
        thread.join()
        for connection in held:
            connection.close()


def test_names_of_urls():
    assert location.shown_name("rtsp://me:p@ss@cam:554/1?k=v") == "rtsp://cam:554/1?..."
    assert location.local_name("http://me:x@host:80/a%20b/c.mp4?k=v") == "host_80/a b/c.mp4"
    assert location.local_name("a:b.mp4") == "a:b.mp4"
    assert [location.is_url(name) for name in ("HTTP://h/a", "a:b.mp4", "c://x", "./http://x")] == [True, False, False, False]


def test_a_folder_takes_videos_of_urls(rmfd, web, clip, tmp_path):
    address, folder = web
    (folder / "a b%20d.mkv").write_bytes(clip(media.no_audio, ".mkv", frames=5).read_bytes())
    out, report = tmp_path / "out", tmp_path / "r.json"
    out.mkdir()
    done = rmfd("derain", f"{address}/a%20b%2520d.mkv", "-o", out, "--report", report, "-q")
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in out.iterdir()] == ["a b%20d.mkv"]
    assert json.loads(report.read_text())["counts"]["done"] == 1
