"""Clients that generators make of the descriptions of the API: each takes, renews and releases, and hears why it may not.

That for TypeScript is in tests/node.
"""

import os
import pathlib
import subprocess

import pytest

from harness.ctl import environment
from harness.paths import OUTSIDE, ROOT
from harness.wire import http, request

HERE = OUTSIDE / "generated"
GENERATORS = ROOT / "target" / "generators" / "bin"
#: Generating and compiling, on a machine that does other things too.
MADE_WITHIN_S = 240

pytestmark = pytest.mark.timeout(2 * MADE_WITHIN_S)


def run(*command, cwd, **more):
    """Run it to its end, which must be good."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment(**more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=MADE_WITHIN_S, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def generator(name):
    """A generator, by the Python of its environment."""
    if not os.access(GENERATORS / name, os.X_OK):
        raise RuntimeError(f"no {GENERATORS / name}: run scripts/setup-tests (make test does)")
    return [GENERATORS / "python", GENERATORS / name]


@pytest.fixture
def server(make_server):
    # In memory, so that tokens do not fit into 32 bits.
    return make_server(sections="[lock one]\nSIZE=1\n[lock three]\nSIZE=3\n", store="memory").start()


@pytest.fixture
def described(server, tmp_path):
    """Save a description; the file."""
    def save(name):
        path = tmp_path / name
        path.write_text(http(server.at, request("", method="GET", path=f"/{name}", length=False)).text)
        return path

    return save


@pytest.mark.parametrize("name", ["openapi.json", "openapi-3.0.json"])
def test_python(name, server, described, tmp_path):
    run(*generator("openapi-python-client"), "generate", "--path", described(name), "--meta", "none", "--output-path", tmp_path / "made",
        "--fail-on-warning", cwd=tmp_path, PATH=f"{GENERATORS}:{os.environ['PATH']}")
    said = run(GENERATORS / "python", HERE / "client.py", f"http://{server.address}:{server.port}", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert said == "done\n"


def test_java(server, described, tmp_path):
    made, classes = tmp_path / "made", tmp_path / "classes"
    run(*generator("openapi-generator-cli"), "generate", "--generator-name", "java", "--library", "native", "--input-spec", described("openapi-3.0.json"),
        "--output", made, "--additional-properties", "openApiNullable=false,hideGenerationTimestamp=true", "--global-property",
        "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false", cwd=tmp_path)
    (archive,) = (GENERATORS.parent / "lib").glob("python*/site-packages/openapi_generator_cli/openapi-generator.jar")
    sources = [str(path) for path in sorted(pathlib.Path(made, "src/main/java").rglob("*.java"))]
    (tmp_path / "sources").write_text("\n".join([*sources, *map(str, HERE.rglob("*.java"))]))
    # The generator's archive has the library that reads and writes JSON.
    run("javac", "-nowarn", "-Xlint:none", "-cp", archive, "-d", classes, "@sources", cwd=tmp_path)
    said = run("java", "-cp", f"{archive}:{classes}", "Client", f"http://{server.address}:{server.port}", cwd=tmp_path)
    assert said == "done\n"
