"""What a release is called: the commit in `--version`, and what `make release` refuses to release."""

import re
import shutil
import subprocess

import pytest

from harness.paths import ROOT, binary, lockctl

HASH = "0123456789abcdef"


def git(directory, *words):
    """git with nobody's settings; what it prints."""
    settings = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main", "-c", "tag.gpgSign=false",
                "-c", "commit.gpgSign=false", "-c", "safe.directory=*"]
    done = subprocess.run(["git", *settings, *words], cwd=directory, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """crates/commit.rs, built without cargo."""
    program = tmp_path_factory.mktemp("commit") / "commit"
    subprocess.run(["rustc", "--edition", "2024", ROOT / "crates" / "commit.rs", "-o", program], cwd=ROOT, check=True, timeout=120)
    return program


@pytest.fixture
def version(script, tmp_path):
    """Run it as cargo does, in a crate of a workspace; what --version would say, or None where the build fails."""
    def run(profile="release", commit=None):
        crate = tmp_path / "crates" / "lockserver"
        crate.mkdir(parents=True, exist_ok=True)
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "CARGO_PKG_VERSION": "1.2.3", "PROFILE": profile, "HOME": str(tmp_path)}
        env |= {} if commit is None else {"LOCKSERVER_COMMIT": commit}
        done = subprocess.run([script], cwd=crate, env=env, capture_output=True, text=True, timeout=60)
        found = re.search(r"^cargo::rustc-env=LOCKSERVER_VERSION=(.*)$", done.stdout, re.M)
        assert (done.returncode == 0) == bool(found)
        return found and found[1]

    return run


def committed(directory):
    """Make it a repository with a commit; its hash as far as it is shown."""
    git(directory, "init", "--quiet")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", "x")
    return git(directory, "rev-parse", "--short=12", "HEAD")


class TestVersion:
    def test_a_release_from_git_names_its_commit(self, version, tmp_path):
        commit = committed(tmp_path)
        assert version() == f"1.2.3 ({commit})"
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "y")
        assert version() == f"1.2.3 ({git(tmp_path, 'rev-parse', '--short=12', 'HEAD')})" != f"1.2.3 ({commit})"

    def test_a_release_of_changed_files_says_so(self, version, tmp_path):
        source = tmp_path / "crates" / "lockserver" / "main.rs"
        source.parent.mkdir(parents=True)
        source.write_text("fn main() {}\n")
        git(tmp_path, "init", "--quiet")
        git(tmp_path, "add", "--all")
        commit = committed(tmp_path)
        assert version() == f"1.2.3 ({commit})"
        source.write_text("fn main() { }\n")
        assert version() == f"1.2.3 ({commit}-modified)"
        assert version("debug") == "1.2.3"

    def test_a_development_build_names_none(self, version, tmp_path):
        committed(tmp_path)
        assert version("debug") == "1.2.3"

    def test_an_archive_names_none_wherever_it_lies(self, version, tmp_path):
        assert version() == "1.2.3"
        (tmp_path / "crates" / ".keep").touch()
        committed(tmp_path / "crates")
        assert version() == "1.2.3", "a repository that is not the whole of ours is somebody else's"

    def test_the_environment_may_name_it(self, version, tmp_path):
        committed(tmp_path)
        for profile in ("release", "debug"):
            assert version(profile, HASH) == f"1.2.3 ({HASH})"
            assert version(profile, f"{HASH}-modified") == f"1.2.3 ({HASH}-modified)"
        assert version("debug", "") == "1.2.3"
        for wrong in ("main", "012345", "0123456 ", HASH + "-dirty"):
            assert version("release", wrong) is None, wrong

    def test_both_programs_say_the_version_of_the_workspace(self):
        workspace = re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        for name, path in (("lockserver", binary()), ("lockctl", lockctl())):
            said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30).stdout
            assert re.fullmatch(rf"{name} {re.escape(workspace)}( \([0-9a-f]{{7,64}}(-modified)?\))?\n", said), said


class TestRefused:
    """scripts/release before it has made anything."""

    @pytest.fixture
    def clone(self, tmp_path):
        """What git would have of this tree as it is now, in a repository of its own, with a dated changelog."""
        for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
            if (ROOT / name).is_file():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tmp_path / name)
        self.changelog = tmp_path / "CHANGELOG.md"
        self.changelog.write_text(re.sub(r"^(## \S+) \(.*\)$", r"\1 (2026-12-24)", self.changelog.read_text(), count=1, flags=re.M))
        git(tmp_path, "init", "--quiet")
        self.commit(tmp_path)
        return tmp_path

    def commit(self, clone):
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--message", "x")

    def refusal(self, clone):
        done = subprocess.run([clone / "scripts" / "release"], cwd=clone, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
        assert done.returncode == 1, done.stdout + done.stderr
        assert not [*clone.glob("target/release-*")]
        return done.stderr

    def test_changes_that_are_in_no_commit(self, clone):
        (clone / "new").touch()
        assert re.search(r"changes that are in no commit.*\n\?\? new", self.refusal(clone))

    def test_a_changelog_without_a_date_or_of_another_version(self, clone):
        dated = self.changelog.read_text()
        for wrong in ("## 0.0.1 (2026-12-24)", "## 1.0.0-alpha.1 (unreleased)"):
            self.changelog.write_text(re.sub(r"^## .*$", wrong, dated, count=1, flags=re.M))
            self.commit(clone)
            said = self.refusal(clone)
            assert f"begins with '{wrong}'" in said and "version in [workspace.package]" in said

    def test_a_changelog_without_a_heading(self, clone):
        self.changelog.write_text("# Changelog\n")
        self.commit(clone)
        assert "CHANGELOG.md has no heading" in self.refusal(clone)

    def test_a_tag_that_is_there(self, clone):
        version = re.search(r"^## (\S+)", self.changelog.read_text(), re.M)[1]
        git(clone, "tag", f"v{version}")
        assert f"the tag v{version} is there already" in self.refusal(clone)


class TestUploads:
    """scripts/upload-list, which says where each file of a release goes."""

    FILES = ("lockserver_1.2.3-1_amd64.deb", "lockserver-client_1.2.3-1_amd64.deb", "lockserver-1.2.3-1.x86_64.rpm", "lockserver-client-1.2.3-1.x86_64.rpm",
             "lockserver-1.2.3-linux-x86_64-glibc2.34.tar.gz", "lockserver-client-1.2.3-linux-x86_64-glibc2.17.tar.gz",
             "lockserver-1.2.3.cdx.json", "lockctl-1.2.3.cdx.json", "SHA256SUMS",
             "lockserver_client-1.2.3-py3-none-any.whl", "lockserver_client-1.2.3.tar.gz", "lockserver-client-1.2.3.tgz", "lockserver-client-1.2.3.tar.gz",
             "lockserver-gitlab-component-1.2.3.tar.gz")

    def listed(self, directory, files, version="1.2.3"):
        directory.mkdir()
        for name in files:
            (directory / name.replace("1.2.3", version)).touch()
        return subprocess.run([ROOT / "scripts" / "upload-list", directory, version, "0123456789ab"], capture_output=True, text=True, timeout=30)

    def test_each_file_goes_to_the_page_and_clients_to_their_registry(self, tmp_path):
        done = self.listed(tmp_path / "made", self.FILES)
        assert done.returncode == 0, done.stderr
        words = done.stdout.split()
        for name in self.FILES:
            assert words.count(name) == (2 if "_client-" in name or name.endswith(".tgz") or name in self.FILES[-2:] else 1), name
        assert "npm publish --tag latest lockserver-client-1.2.3.tgz\n" in done.stdout and "git tag --force v1 v1.2.3" in done.stdout
        assert "0123456789ab" in done.stdout and done.stdout.count("[ ] ") == 10

    def test_a_version_before_a_release_moves_nothing(self, tmp_path):
        done = self.listed(tmp_path / "made", self.FILES, "1.2.3-alpha.1")
        assert done.returncode == 0 and "--tag next" in done.stdout and "--force" not in done.stdout, done.stderr

    def test_a_file_too_many_or_too_few_is_refused(self, tmp_path):
        more = self.listed(tmp_path / "more", [*self.FILES, "notes.txt"])
        assert more.returncode == 1 and "nobody knows where notes.txt goes" in more.stderr
        fewer = self.listed(tmp_path / "fewer", self.FILES[:-3])
        assert fewer.returncode == 1 and "a file of a client is missing" in fewer.stderr

    def test_the_clients_are_made_with_their_names(self, tmp_path):
        """What scripts/release does for those that need no build."""
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        text = (ROOT / "scripts" / "release").read_text()
        lines = [line for line in text.splitlines() if re.match(r"npm pack|target/ansible/|git archive", line)]
        assert len(lines) == 3
        script = "\n".join(["set -eu", f"out={tmp_path} version={version}", *lines])
        subprocess.run(["bash", "-c", script], cwd=ROOT, check=True, timeout=90)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {f"lockserver-client-{version}.tgz", f"lockserver-client-{version}.tar.gz", f"lockserver-gitlab-component-{version}.tar.gz"}
