"""A stand-in for the Hugging Face hub on loopback: folders, with as much of its API as downloads ask for."""

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Hub:
    """What is served: the folder of each repository, `models/{id}` or `datasets/{id}`, at branch `main`."""

    url: str = ""
    repositories: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables by which a process asks this hub and keeps what it gets below `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_TOKEN": "",
            "no_proxy": "127.0.0.1",
        }


def commit_of(folder: Path) -> str:
    """Return what stands for a folder's commit: another one whenever a file changes."""
    digest = hashlib.sha1()
    for file in _files(folder):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


@contextmanager
def standin_hub() -> Iterator[Hub]:
    """Serve an empty hub until the block ends; its `repositories` may be filled and edited meanwhile."""
    hub = Hub()

    class Handler(_Handler):
        served = hub

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(with_body=True, sent=sent)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, with_body: bool, sent: bytes = b"") -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).strip("/")
        self.served.asked.append(f"{self.command} {path}")
        is_api = path.startswith("api/")
        path = path.removeprefix("api/")
        if not path.startswith(("models/", "datasets/")):
            path = f"models/{path}"
        repository = next((r for r in self.served.repositories if f"{path}/".startswith(f"{r}/")), None)
        if repository is None:
            self._refuse(401, "RepoNotFound", with_body=with_body)
            return
        folder, rest = self.served.repositories[repository], path.removeprefix(repository).strip("/")
        what, _, rest = rest.partition("/")
        revision, _, inner = rest.partition("/")
        commit = commit_of(folder)
        if revision not in ("", "main", commit):
            self._refuse(404, "RevisionNotFound", with_body=with_body)
        elif is_api and what in ("", "revision"):
            siblings = [{"rfilename": f.relative_to(folder).as_posix()} for f in _files(folder)]
            info = {"id": repository.partition("/")[2], "sha": commit, "siblings": siblings}
            self._send(json.dumps(info).encode(), with_body=with_body)
        elif is_api and what == "tree":
            entries = [
                _entry(folder, file) for file in _files(folder) if f"/{inner}/" in f"//{_name(folder, file)}"
            ]
            self._send(json.dumps(entries).encode(), with_body=with_body)
        elif is_api and what == "paths-info":
            wanted = _paths(sent)
            entries = [_entry(folder, file) for file in _files(folder) if _name(folder, file) in wanted]
            self._send(json.dumps(entries).encode(), with_body=with_body)
        elif what == "resolve" and repository in self.served.gated:
            self._refuse(401, "GatedRepo", with_body=with_body)
        elif what == "resolve" and (folder / inner).is_file():
            content = (folder / inner).read_bytes()
            headers = {"X-Repo-Commit": commit, "ETag": f'"{_blob(content)}"'}
            self._send(content, with_body=with_body, **headers)
        else:
            self._refuse(404, "EntryNotFound", with_body=with_body)

    def _send(self, content: bytes, *, with_body: bool, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _refuse(self, status: int, code: str, *, with_body: bool) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": f"{code}, says the stand-in"}
        self._send(b"{}", with_body=with_body, status=status, **headers)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _entry(folder: Path, file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"type": "file", "path": _name(folder, file), "size": len(content), "oid": _blob(content)}


def _blob(content: bytes) -> str:
    """Return the digest that git, hence the hub, knows a file by."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _paths(sent: bytes) -> set[str]:
    """Return the paths of a request for some files' entries, a form or JSON."""
    try:
        return set(json.loads(sent)["paths"])
    except ValueError:
        return set(urllib.parse.parse_qs(sent.decode()).get("paths", []))
