from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A small package of the name pyarrow with which the runtime imports: the real one takes a second to copy.
PYARROW = """
import sys

__path__ = []
for part in ("compute", "dataset", "fs", "ipc", "lib", "parquet", "types"):
    sys.modules[f"pyarrow.{part}"] = sys.modules[__name__]


class Kind(type):
    def __getattr__(cls, name):
        return Kind(name, (Exception,), {"__getattr__": lambda self, name: Kind(name, (Exception,), {})})


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(Kind("pyarrow", (), {}), name)
"""


def write_wheel(folder, name, version, module="", requires=()):
    """Write a wheel with one module of the same name."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in {**files, record: "".join(f"{file},,\n" for file in [*files, record])}.items():
            wheel.writestr(file, text)


class PackageIndex:
    """A package index on this machine that serves the wheels of a folder.

    Attributes:
        folder: The wheels.
        token: The password of its user `robot`; nobody is asked for one where it is empty.
        requests: The paths that were asked for.
        url: Its address. It stays the same when the index is down.
    """

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.token = ""
        self.requests = []
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple"
        self._serve()

    def add(self, name, version="1.0", module="", requires=()):
        write_wheel(self.folder, name, version, module, requires)

    def down(self):
        self._server.shutdown()
        self._server.server_close()

    def up(self):
        self._server = _Server(("127.0.0.1", self._server.server_port), self)
        self._serve()

    def _serve(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path):
        """Return the content at a path; None where there is none."""
        place, _, name = path.strip("/").partition("/")
        if place == "files":
            file = self.folder / name
            return file.read_bytes() if file.is_file() else None
        files = [file.name for file in self.folder.iterdir() if file.name.startswith(f"{name.replace('-', '_')}-")]
        links = (f'<a href="/files/{file}#sha256={self.sha256(file)}">{file}</a>\n' for file in files)
        return "".join(links).encode() if files else None

    def sha256(self, file):
        return hashlib.sha256((self.folder / file).read_bytes()).hexdigest()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True

    def __init__(self, address, index):
        super().__init__(address, _Handler)
        self.index = index

    def handle_error(self, request, client_address):
        """Whoever asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        index = self.server.index
        index.requests.append(self.path)
        given = base64.b64encode(f"robot:{index.token}".encode()).decode()
        if index.token and self.headers.get("Authorization") != f"Basic {given}":
            self.respond(401, b"", "text/plain")
            return
        content = index.answer(self.path)
        kind = "application/octet-stream" if self.path.startswith("/files/") else "text/html"
        self.respond(404 if content is None else 200, content or b"", kind)

    def respond(self, status, content, kind):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self):
        self.respond(405, b"", "text/plain")

    def log_message(self, *arguments):
        pass
