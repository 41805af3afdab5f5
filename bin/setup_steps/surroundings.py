"""Where bin/setup is called: a place that it can work in, and an environment that speaks of this project alone."""

import os
from pathlib import Path

from programs import die

# Not a part of a name for the shell that pip and PostgreSQL call programs by, for PATH, or for the build of the styles.
_SPECIAL = '"$`\\:#?'

# What says where packages go, which are left out, or what else a program has to load. Registries, proxies and
# certificates stay as the caller has them.
_PIP = ("CONSTRAINT", "DRY_RUN", "EDITABLE", "IGNORE_INSTALLED", "NO_DEPS", "PREFIX", "PYTHON", "REQUIREMENT", "ROOT")
_PIP_TOO = ("REQUIRE_HASHES", "TARGET", "USER")
_NPM = ("dry_run", "global", "include", "location", "omit", "only", "package_lock", "package_lock_only", "production")
_NPM_TOO = ("prefix", "workspace", "workspaces")
_OTHERS = {
    *(f"PIP_{name}" for name in (*_PIP, *_PIP_TOO)),
    *(f"npm_config_{name}" for name in (*_NPM, *_NPM_TOO)),
    *("NODE_ENV", "NODE_OPTIONS", "NODE_PATH", "PYTHONSTARTUP", "VIRTUAL_ENV"),
}


def check_place() -> None:
    """Refuse a checkout whose path a program would read as something else than a path, before any sees it."""
    path = os.fsencode(Path.cwd())
    shown = ascii(path.decode("utf-8", errors="backslashreplace"))
    try:
        name = path.decode("utf-8")
    except UnicodeDecodeError:
        die(f"the checkout's path is not UTF-8: {shown}: move it.")
    if found := [letter for letter in name if letter in _SPECIAL or not letter.isprintable()]:
        die(f"the checkout's path has the character {found[0]!r}, with which programs that run here fail: move {shown}")


def forget_other_projects() -> None:
    """Take out of the environment what other projects have put there for pip, npm and node."""
    for name in list(os.environ):
        if name in _OTHERS or (name.lower().startswith("npm_config_") and name.lower() in _OTHERS):
            del os.environ[name]
    if not os.access(os.environ.get("HOME", ""), os.W_OK):
        os.environ.setdefault("npm_config_cache", str(Path.cwd() / ".data" / "npm"))
