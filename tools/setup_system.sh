#!/usr/bin/env bash
# Install what no wheel contains: fdkaac, which encodes HE-AAC, and ffmpeg, which encodes what PyAV
# does not.
#
#     bash tools/setup_system.sh [--tests]
#
# --tests: also nginx, which the tests start as a web server on a free port, and Chromium, in which they
# look at pages.
#
# Debian keeps fdkaac in contrib and its library in non-free. Both components are read through a
# temporary sources list, so that the machine's own apt configuration does not change.
set -euo pipefail

missing=()
command -v ffmpeg >/dev/null || missing+=(ffmpeg)
command -v fdkaac >/dev/null || missing+=(fdkaac)
if [ "${1:-}" = --tests ]; then
    command -v nginx >/dev/null || missing+=(nginx-light)
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

by_hand() {
    echo "setup: continuing without ${missing[*]}: $1." \
         "Debian/Ubuntu: 'apt-get install ${missing[*]}' (fdkaac is in contrib and non-free, or multiverse);" \
         "macOS: 'brew install ffmpeg fdk-aac-encoder nginx chromium'. Without fdkaac the HE-AAC conditions are left out," \
         "without nginx and chromium some tests are skipped."
    exit 0
}

command -v apt-get >/dev/null || by_hand "this machine has no apt"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || by_hand "installing needs root"
    as_root=(sudo -n)
fi

scratch=$(mktemp -d)
trap '${as_root[@]+"${as_root[@]}"} rm -rf "$scratch"' EXIT
mkdir -p "$scratch/lists/partial" "$scratch/parts"

# The machine's own Debian or Ubuntu sources, with the extra components next to 'main'.
apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
    awk -F'|' '$4 == "main" && $1 == "Debian" { print "deb", $2, $3, "main contrib non-free" }
               $4 == "main" && $1 == "Ubuntu" { print "deb", $2, $3, "main universe multiverse" }' |
    sort -u > "$scratch/sources.list"
if [ ! -s "$scratch/sources.list" ]; then
    # The lists were never fetched, so the targets have no origin yet.
    "${as_root[@]+"${as_root[@]}"}" apt-get update -qq || by_hand "apt-get update failed"
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
        awk -F'|' '$4 == "main" && $1 == "Debian" { print "deb", $2, $3, "main contrib non-free" }
                   $4 == "main" && $1 == "Ubuntu" { print "deb", $2, $3, "main universe multiverse" }' |
        sort -u > "$scratch/sources.list"
fi
[ -s "$scratch/sources.list" ] || by_hand "the apt sources name no Debian or Ubuntu"
options=(-qq -o "Dir::Etc::SourceList=$scratch/sources.list" -o "Dir::Etc::SourceParts=$scratch/parts"
         -o "Dir::State::Lists=$scratch/lists" -o "APT::Sandbox::User=root")
"${as_root[@]+"${as_root[@]}"}" apt-get "${options[@]}" update || by_hand "apt-get update failed"
DEBIAN_FRONTEND=noninteractive "${as_root[@]+"${as_root[@]}"}" apt-get "${options[@]}" install -y --no-install-recommends "${missing[@]}" \
    || by_hand "apt-get install failed"
