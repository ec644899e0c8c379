#!/usr/bin/env bash
# Makes dist/: packages, archives, licenses, bill of materials, checksums. The same commit gives the same bytes.
# DIST_TARGETS limits the targets (linux-amd64 ...), DIST is the output directory, DIST_VERSION overrides git's version.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
out=${DIST:-dist}
case $out in /*) ;; *) out=$PWD/$out ;; esac
described=$(git describe --tags --always --dirty 2>/dev/null || echo dev)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CGO_ENABLED=0 LC_ALL=C TZ=UTC
# Package versions must start with a digit; without a tag the version is 0.0.0 with the commit.
case $described in
v[0-9]*) version=${described#v} ;;
*) version=0.0.0+git.$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d).$described ;;
esac
version=${DIST_VERSION:-$version}
export VERSION=$version
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dist() { (cd tools && GOOS='' GOARCH='' $GO run ./dist "$@"); }

echo "dist: dwell $version"
$GO build -C tools -o "$work/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
targets=${DIST_TARGETS:-linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64}
for target in $targets; do
	name=dwell; [ "${target%-*}" = windows ] && name=dwell.exe
	GOOS=${target%-*} GOARCH=${target#*-} $GO build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" \
		-o "$work/$target/$name" ./cmd/dwell
done
native=$work/native
$GO build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$native" ./cmd/dwell
common=$work/common
mkdir -p "$common/man" "$common/completions"
"$native" --quiet man "$common/man"
for shell in bash zsh fish powershell; do "$native" completion "$shell" >"$common/completions/dwell.$shell"; done
dist sbom .. ./cmd/dwell "$version" >"$common/sbom.cdx.json"
cp LICENSE THIRD-PARTY-NOTICES.txt README.md CHANGELOG.md docs/install.md so-config/dwell/config.yaml "$common/"

for target in $targets; do
	cp -r "$common/." "$work/$target/"
	kind=tar.gz; [ $target = windows-amd64 ] && kind=zip
	dist archive "$out/dwell-$version-$target.$kind" "dwell-$version-$target" "$work/$target"
done
for arch in amd64 arm64; do
	[ -d "$work/linux-$arch" ] || continue
	rm -rf "$work/package"
	mkdir "$work/package"
	cp "$work/linux-$arch/dwell" "$work/package/"
	cp -r "$common/." "$work/package/"
	cp so-config/systemd/* tools/package/* "$work/package/"
	for kind in deb rpm; do
		(cd "$work/package" && ARCH=$arch "$work/nfpm" package -f nfpm.yaml -p $kind -t "$out/" >"$work/nfpm.log" 2>&1) || { cat "$work/nfpm.log"; exit 1; }
	done
done
cp "$common/sbom.cdx.json" LICENSE THIRD-PARTY-NOTICES.txt "$out/"
# The changelog of this version.
awk '/^## /{n++} n==1' CHANGELOG.md >"$out/CHANGES.txt"
(cd "$out" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
(cd "$out" && ls -l)
