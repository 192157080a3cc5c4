"""A camera that is asked for its pictures by RTSP (RFC 2326): one client, everything over its own connection."""

import select
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests import media

_LONGEST_PACKET = 65535


class Camera:
    """Plays a clip again and again to whoever asks first; a context manager.

    Args:
        clip: Video and sound that RTP has a form for.
        folder: For the description of the streams.
    """

    def __init__(self, clip: Path, folder: Path) -> None:
        self._clip, self._description = clip, folder / "camera.sdp"
        self._server = socket.create_server(("127.0.0.1", 0))
        self._media = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
        for one in self._media:
            one.bind(("127.0.0.1", 0))
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/1"
        self.asked: list[str] = []
        """The methods that it was asked for."""

    def __enter__(self) -> "Camera":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for one in (self._server, *self._media):
            one.close()

    def _serve(self) -> None:
        self._server.settimeout(20)
        connection, _ = self._server.accept()
        # Whoever has enough hangs up.
        with connection, suppress(ConnectionError):
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        waiting, is_playing = b"", False
        while not self._over.is_set():
            ready, _, _ = select.select([connection, *(self._media if is_playing else [])], [], [], 0.1)
            if connection in ready:
                received = connection.recv(4096)
                if not received:
                    return
                waiting += received
            while b"\r\n\r\n" in waiting and not waiting.startswith(b"$"):
                request, _, waiting = waiting.partition(b"\r\n\r\n")
                connection.sendall(self._answer(request.decode()))
                is_playing = is_playing or self.asked[-1] == "PLAY"
            for channel, one in enumerate(self._media):
                if one in ready:
                    packet = one.recv(_LONGEST_PACKET)
                    # Interleaved binary data, section 10.12.
                    connection.sendall(b"$" + bytes([2 * channel]) + len(packet).to_bytes(2, "big") + packet)

    def _answer(self, request: str) -> bytes:
        method, url, _ = request.split("\r\n")[0].split(" ")
        headers = dict(line.split(": ", 1) for line in request.split("\r\n")[1:])
        self.asked.append(method)
        lines, body = [f"CSeq: {headers['CSeq']}", "Session: 1"], ""
        if method == "DESCRIBE":
            body = self._describe()
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            channel = 2 * int(url[-1])
            lines.append(f"Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}")
        elif method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        return ("\r\n".join(["RTSP/1.0 200 OK", *lines, "", ""]) + body).encode()

    def _describe(self) -> str:
        """Starts to play, into sockets that hold what comes before it is asked for."""
        command: list[str] = [
            media.FFMPEG,
            "-loglevel",
            "error",
            "-nostdin",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
            str(self._clip),
        ]
        for kind, one in zip("va", self._media, strict=True):
            command += ["-map", f"0:{kind}", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{one.getsockname()[1]}"]
        self._process = subprocess.Popen([*command, "-sdp_file", str(self._description)], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not (self._description.exists() and self._description.read_text().count("m=") == 2):
            assert time.monotonic() < deadline, "the camera does not begin"
            time.sleep(0.02)
        lines: list[str] = []
        for line in self._description.read_text().splitlines():
            if line.startswith("m="):
                kind, _, *rest = line.split(" ")
                line = " ".join([kind, "0", *rest]) + f"\r\na=control:trackID={sum('a=control' in one for one in lines)}"
            lines.append(line)
        return "\r\n".join([*lines, ""])
