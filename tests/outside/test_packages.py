"""The packages as files: what is in them, what lintian and rpmlint say, and the container's."""

import re
import subprocess
import tarfile

import pytest

from harness import packages
from harness.installed import CONF
from harness.paths import ROOT, binary, lockctl


@pytest.mark.timeout(900)
class TestContents:
    """What is in the files, without installing them."""

    def test_checksums(self, made):
        sums = (made / "SHA256SUMS").read_text()
        assert len(sums.splitlines()) == 6
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=made, check=True)

    def test_both_packages_have_everything(self, made):
        deb = packages.deb_files()
        rpm = {name: (mode, owner) for name, mode, owner, _ in packages.rpm_files()}
        for name, mode in packages.EVERYWHERE.items():
            assert deb.get(name) == (mode, "root/root"), name
            assert rpm.get(name) == (mode, "root:root"), name
        for found in (deb, {name: what for name, what in rpm.items() if name != CONF}):
            odd = {name: what for name, what in found.items() if what not in
                   [("-rw-r--r--", "root/root"), ("-rwxr-xr-x", "root/root"), ("drwxr-xr-x", "root/root"),
                    ("-rw-r--r--", "root:root"), ("-rwxr-xr-x", "root:root")]}
            assert not odd, "nothing is for others to write, and nothing runs as somebody else"
        for one in ("/usr/share/zsh/vendor-completions/_lockctl", "/etc/init.d/lockserver", "/usr/share/doc/lockserver/copyright",
                    "/usr/share/doc/lockserver/changelog.Debian.gz", "/usr/share/doc/lockserver/NEWS.Debian.gz"):
            assert one in deb
        assert {"/usr/share/zsh/site-functions/_lockctl", "/usr/share/licenses/lockserver/LICENSE"} < rpm.keys()

    def test_the_client_has_lockctl_and_nothing_of_the_server(self, made):
        """All that it has of lockctl is where the server's package has it; the two are not installed together."""
        for kind, files in (("deb", packages.deb_files), ("rpm", lambda package: {name: what for name, *what in packages.rpm_files(package)})):
            client = {name for name in files("lockserver-client") if not name.endswith("/")}
            of_both = {name for name in files("lockserver") if re.search(r"(?<!overrides/)lockctl[^/]*$", name) and "/doc/" not in name}
            own = {name for name in client if "lockserver-client" in name}
            assert client - own == of_both and len(of_both) > 20, (kind, client ^ of_both)
            assert any(name.endswith("/examples/client.conf") for name in own)
            folder = "/usr/share/doc/lockserver-client"
            assert all(name.startswith((folder, "/usr/share/licenses", "/usr/share/lintian")) for name in own), own
        fields = packages.output("dpkg-deb", "--field", packages.one("deb"), "Provides", "Conflicts", "Replaces")
        assert fields.count("lockserver-client") == 3
        assert packages.output("dpkg-deb", "--field", packages.one("deb", "lockserver-client"), "Depends").startswith("libc6")
        for query, package, other in (("--conflicts", "lockserver", "lockserver-client"), ("--conflicts", "lockserver-client", "lockserver"),
                                      ("--provides", "lockserver", "lockserver-client")):
            assert other in packages.output("rpm", "--query", "--package", query, packages.one("rpm", package)).split()

    def test_every_page_of_the_documentation_is_there(self, made):
        pages = {f"/usr/share/doc/lockserver/{path.name}" for path in (ROOT / "docs").glob("*.md")}
        assert len(pages) > 10
        assert pages < packages.deb_files().keys()
        assert pages < {name for name, *_ in packages.rpm_files()}

    def test_no_link_of_a_page_is_dead(self, made, tmp_path):
        for kind in ("deb", "tar"):
            (tmp_path / kind).mkdir()
        subprocess.run(["dpkg-deb", "--extract", packages.one("deb"), tmp_path / "deb"], check=True)
        archive = packages.unpacked_archive(tmp_path / "tar")
        for folder in (tmp_path / "deb/usr/share/doc/lockserver", archive):
            pages = [*folder.rglob("*.md")]
            links = [(page, link) for page in pages for link in
                     re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S))
                     if not re.match(r"[a-z]+:", link)]
            assert len(links) > 40
            dead = [f"{page.relative_to(folder)}: {link}" for page, link in links if not (page.parent / link).is_file()]
            assert not dead, dead

    def test_a_kind_that_is_none(self):
        done = subprocess.run([ROOT / "scripts" / "packages", "debs"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 64 and "there is no kind 'debs'" in done.stderr

    def test_configuration_files_are_marked(self, made):
        """dpkg asks about none that 0.36 had; rpm keeps the one and replaces the other."""
        conffiles = packages.output("dpkg-deb", "--ctrl-tarfile", packages.one("deb"), binary=True)
        listed = packages.member(conffiles, "./conffiles").split()
        assert listed == ["/etc/init.d/lockserver", "/etc/logrotate.d/lockserver"] or \
            listed == ["/etc/logrotate.d/lockserver", "/etc/init.d/lockserver"]
        flags = {name: (mode, owner, flags) for name, mode, owner, flags in packages.rpm_files() if "c" in flags}
        assert flags == {CONF: ("-rw-r-----", "root:lockserver", "cn"), "/etc/logrotate.d/lockserver": ("-rw-r--r--", "root:root", "c")}

    def test_manual_pages_and_completions_are_whole(self, made, tmp_path):
        subprocess.run(["dpkg-deb", "--extract", packages.one("deb"), tmp_path], check=True)
        pages = sorted((tmp_path / "usr/share/man").glob("man?/*.gz"))
        names = {page.name for page in pages}
        assert {"lockserver.8.gz", "lockserver-check-config.8.gz", "lockserver-key-new.8.gz", "lockctl.1.gz", "lockctl-run.1.gz"} <= names
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)], capture_output=True, text=True,
                                  env={"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"}, timeout=60)
            assert done.returncode == 0 and done.stderr == "", f"{page.name}: {done.stderr}"
        for program, word in (("lockserver", "check-config"), ("lockctl", "run")):
            for path in (f"bash-completion/completions/{program}", f"zsh/vendor-completions/_{program}",
                         f"fish/vendor_completions.d/{program}.fish"):
                assert word in (tmp_path / "usr/share" / path).read_text()

    @pytest.mark.parametrize("package, programs", [("lockserver", {"lockserver", "lockctl"}), ("lockserver-client", {"lockctl"})])
    def test_archive_says_which_c_library_it_needs(self, made, tmp_path, package, programs):
        folder = packages.unpacked_archive(tmp_path, package)
        said = re.search(rf"^{package}-\d.*-linux-\w+-(?:glibc(\d+\.\d+)|static)$", folder.name)
        assert said, folder.name
        assert {path.name for path in (folder / "bin").iterdir()} == programs
        for program in programs:
            path = binary() if program == "lockserver" else lockctl()
            needed = re.findall(r"GLIBC_(\d+)\.(\d+)", packages.output("readelf", "--version-info", "--wide", folder / "bin" / program))
            if said[1]:
                assert all((int(a), int(b)) <= tuple(map(int, said[1].split("."))) for a, b in needed)
            else:
                assert not needed
            version = packages.output(folder / "bin" / program, "--version")
            assert version == packages.output(path, "--version") and version.startswith(program)
        of_server = ("libexec/take-over", "systemd/lockserver.service", "sysv/lockserver", "openrc/lockserver", "openrc/lockserver.confd",
                     "lockserver.conf", "logrotate", "docs/install.md", "man/man8/lockserver.8.gz", "completions/_lockserver")
        of_both = ("client.conf", "docs/lockctl.md", "man/man1/lockctl-run.1.gz", "completions/_lockctl", "LICENSE")
        for name in of_both:
            assert (folder / name).is_file(), name
        for name in of_server:
            assert (folder / name).is_file() == ("lockserver" in programs), name
        with tarfile.open(packages.one("tar.gz", package)) as archive:
            assert all(entry.uid == entry.gid == 0 and not entry.mode & 0o022 for entry in archive)

    @pytest.mark.parametrize("package", ["lockserver", "lockserver-client"])
    def test_lintian(self, made, package):
        done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", packages.one("deb", package)],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr

    def test_every_override_of_lintian_has_its_reason(self, made):
        for name in ("lintian-overrides", "lintian-overrides.client"):
            lines = (ROOT / "packaging/deb" / name).read_text().splitlines()
            for above, line in zip(["", *lines], lines):
                assert line.startswith("# ") or above.startswith("# "), line

    @pytest.mark.parametrize("package", ["lockserver", "lockserver-client"])
    def test_rpmlint(self, made, package):
        done = subprocess.run(["rpmlint", "--config", ROOT / "packaging/rpm/rpmlint.toml", packages.one("rpm", package)],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and re.search(rf"^{package}\.", done.stdout, re.M) is None, done.stdout + done.stderr

    def test_scripts_are_good_sh(self, made):
        scripts = [ROOT / "packaging/take-over", *(ROOT / "packaging/deb" / name for name in ("preinst", "postinst", "prerm", "postrm")),
                   *(ROOT / "packaging/rpm" / name for name in ("pre", "post", "preun", "postun")), ROOT / "packaging/sysv/lockserver"]
        subprocess.run(["shellcheck", "--shell=sh", *scripts], check=True, timeout=60)
        ours = [path for path in (ROOT / "scripts").iterdir() if "bash" in path.read_text().splitlines()[0]]
        assert len(ours) > 8
        subprocess.run(["shellcheck", "--external-sources", "--severity=warning", *ours], cwd=ROOT, check=True, timeout=60)


class TestDocker:
    """There is no Docker where the tests run: what can be judged without it."""

    def test_what_it_copies_is_there_and_is_a_workspace(self, tmp_path):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        copied = [line.split()[1:] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
        names = [name for line in copied for name in line[:-1]]
        assert {"Cargo.toml", "Cargo.lock", "crates", "packaging/docker/lockserver.conf"} <= set(names)
        for name in names:
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-R", ROOT / name, target], check=True)
        # cargo can read it, and build from Cargo.lock as it is. It may fetch what this machine, which has built only for itself,
        # does not have; all platforms are asked for, for Cargo.lock is for all of them.
        subprocess.run(["cargo", "metadata", "--locked", "--format-version", "1"], cwd=tmp_path, check=True,
                       stdout=subprocess.DEVNULL, timeout=300)

    def test_its_promises(self):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        last = text[text.rindex("\nFROM "):]
        for line in ("USER 9090:9090", "VOLUME /var/lib/lockserver", "STOPSIGNAL SIGTERM", "HEALTHCHECK ", 'ENTRYPOINT ["/usr/bin/lockserver"]'):
            assert f"\n{line}" in last, line

    def test_lockctl_is_an_image_of_its_own(self):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", text, re.M)
        assert [name for _, name in stages] == ["build", "lockctl", ""], "who names none gets the server"
        _, build, client, server = re.split(r"^FROM .*$", text, flags=re.M)
        assert "/src/target/release/lockctl /usr/bin/" in client and "release/lockserver" not in client
        assert "\nUSER 65534:65534\n" in client and 'ENTRYPOINT ["/usr/bin/lockctl"]' in client and "ca-certificates" in client
        # What was built with a C library runs with no older one.
        bases = [base for base, _ in stages]
        assert bases[0].endswith("-bookworm") and bases[1] == bases[2] == "debian:bookworm-slim"

    def test_hadolint_is_content(self):
        # Which version of a Debian package there is changes with each point release.
        command = [ROOT / "target/venv/bin/hadolint", "--no-color", "--ignore", "DL3008", "packaging/docker/Dockerfile"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr

    def test_its_health_check_tells_life_from_death(self, make_server):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        words = re.findall(r'"([^"]+)"', re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.M)[1])
        assert words[0] == "lockctl" and words[2] == "unix:/run/lockserver/admin.sock"
        server = make_server({}, "[anonymous]\nRIGHTS=none\n").start()

        def healthy():
            # The path of a test's directory may be too long for a socket.
            command = [lockctl(), "--server", "unix:/proc/self/cwd/admin.sock", *words[3:]]
            try:
                return subprocess.run(command, cwd=server.directory, capture_output=True, timeout=5).returncode == 0
            except subprocess.TimeoutExpired:
                return False

        assert "--timeout=5s" in text and healthy()
        server.stop()
        assert not healthy()
