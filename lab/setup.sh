#!/usr/bin/env bash
# Installs dependencies on a bare Debian 12 or Ubuntu 24.04. Called by make; each part is idempotent.
#
#   lab/setup.sh packages         all system packages, as root or with sudo
#   lab/setup.sh java             a JDK and Maven, as root or with sudo, unless both are there
#   lab/setup.sh venv DIR REQ     a virtual environment with exactly what the requirements file lists; as root or with
#                                 sudo only where no Python of 3.11 or later is found. PYTHON names another one
#   lab/setup.sh advisories DIR   the known vulnerabilities of Python packages, if they can be downloaded
set -euo pipefail
cd "$(dirname "$0")/.."

# Why each: the environment and its builds; the sample applications and DynamoDB Local; the hosts (machines, addresses,
# a package repository) and the load.
python_packages=(python3 python3-venv)
java_packages=(openjdk-17-jdk-headless maven)
machine_packages=(systemd systemd-container iproute2 apt-utils wrk)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        echo "the set-up needs root or sudo for: $*" >&2
        exit 1
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the packages that are missing.
install() {
    local missing=() package
    command -v dpkg-query >/dev/null || {
        echo "twinslot's set-up knows Debian 12 and Ubuntu 24.04; install by hand: $*" >&2
        exit 1
    }
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "installing: ${missing[*]}"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
}

# The browser that looks at pages. Debian packages Chromium; Ubuntu's packages of that name only point to the snap, which
# needs a running snapd. Google's Chrome with its driver, which GitHub's runners have, does as well.
install_browser() {
    if is_installed chromium-driver || command -v chromedriver chromium.chromedriver >/dev/null \
        || [ -x "${CHROMEWEBDRIVER:-}/chromedriver" ]; then
        return
    fi
    as_root apt-get -qq update
    if [ "$(apt-cache --names-only search '^chromium-driver$' | wc -l)" -gt 0 ]; then
        install chromium chromium-driver
    elif command -v snap >/dev/null && snap version 2>/dev/null | grep -q '^snapd *[0-9]'; then
        echo "installing the snap chromium: this system has no package of it"
        as_root snap install chromium
    else
        echo "no browser was installed: there is neither a package chromium-driver nor a running snapd." >&2
        echo "The tests in a browser and make screenshots need Chrome or Chromium, with chromedriver in PATH." >&2
    fi
}

# The first Python of 3.11 or later that runs and can make environments (a version manager's stub might do neither).
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    local directory=$1 requirements=$2 python
    if [ ! -x "$directory/bin/python" ]; then
        python=$(find_python) || {
            install "${python_packages[@]}"
            python=$(find_python) || {
                echo "no Python of version 3.11 or later with venv was found" >&2
                exit 1
            }
        }
        echo "creating $directory with $python"
        "$python" -m venv "$directory"
    fi
    # The file has every package with its hashes, so that nothing is resolved and pip's version does not matter.
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement "$requirements"
}

# Checks go on without them: requirements/audit.py prints that it was skipped.
clone_advisories() {
    local directory=$1
    mkdir -p "$(dirname "$directory")"
    GIT_TERMINAL_PROMPT=0 timeout 120 git clone --quiet --depth 1 \
        https://github.com/pypa/advisory-database "$directory" || rm -rf "$directory"
}

case "${1:-}" in
    packages) install "${python_packages[@]}" "${java_packages[@]}" "${machine_packages[@]}"; install_browser ;;
    java) { command -v javac && command -v mvn; } >/dev/null || install "${java_packages[@]}" ;;
    venv) make_venv "$2" "$3" ;;
    advisories) clone_advisories "$2" ;;
    *) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
