#!/usr/bin/env bash
# Builds the images of all processes with the .NET SDK alone, without Docker or a Dockerfile:
#   eng/images.sh                      writes artifacts/images/NAME.tar.gz, for `docker load`, `podman load` or `ctr images import`
#   eng/images.sh --push REGISTRY      pushes them to a registry, and writes their digests into k8s/overlays/production
#   eng/images.sh --base IMAGE …       on another base; the default is in Directory.Build.props
#   eng/images.sh --only NAME[,NAME] … some of them
#   eng/images.sh --no-build …         from what is built already
# Each is tagged with the version of Directory.Build.props, and gets its list of packages (SBOM) as artifacts/images/NAME.cdx.json.
# DOTNET_CONTAINER_INSECURE_REGISTRIES allows a registry without TLS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

registry="" base=() build=() chosen=(orchestrator queue seats points payments dataplatform operations gateway devreceiver)
while [ $# -gt 0 ]; do
  case $1 in
    --push) registry=${2:?--push needs a registry}; shift ;;
    --base) base=("-p:ContainerBaseImage=${2:?--base needs an image}"); shift ;;
    --no-build) build=(--no-build) ;;
    --only) IFS=, read -ra chosen <<<"${2:?--only needs names}"; shift ;;
    *) echo "images.sh: '$1' is not an option; allowed: --push REGISTRY, --base IMAGE, --only NAME,NAME, --no-build." >&2; exit 2 ;;
  esac
  shift
done

# The folder whose project has this name in lower case.
project_of() { find . -maxdepth 3 -iname "$1.csproj" -not -path './tests/*' -printf '%h\n'; }

output=artifacts/images digests=k8s/overlays/production/images/kustomization.yaml
mkdir -p $output
case $(uname -m) in x86_64) platform=linux-x64 ;; aarch64 | arm64) platform=linux-arm64 ;; *) platform=linux-$(uname -m) ;; esac
# The libraries of all processes are compiled to machine code once, and each image gets those that it has.
if [ ${#build[@]} = 0 ]; then dotnet build AllInOne -c Release -nologo -v q; rm -f artifacts/precompiled/log; fi
dotnet tool install CycloneDX --version 6.3.1 --tool-path artifacts/cyclonedx >/dev/null 2>&1 || [ -x artifacts/cyclonedx/dotnet-CycloneDX ]
for name in "${chosen[@]}"; do
  project=$(project_of "$name")
  [ -n "$project" ] || { echo "images.sh: '$name' is not a process." >&2; exit 2; }
  if [ -n "$registry" ]; then target=("-p:ContainerRegistry=$registry")
  else target=("-p:ContainerArchiveOutputPath=$PWD/$output/$name.tar.gz"); fi
  # Everything in the folder becomes part of the image.
  rm -rf "artifacts/publish/$name"
  digest=$(dotnet publish "$project" -c Release -nologo -v q -t:PublishContainer "${build[@]}" "${base[@]}" "${target[@]}" \
    -p:ContainerRuntimeIdentifier="$platform" -p:PublishDir="$PWD/artifacts/publish/$name/" -getProperty:GeneratedContainerDigest)
  artifacts/cyclonedx/dotnet-CycloneDX "$project"/*.csproj --output $output --filename "$name.cdx.json" --output-format Json \
    --set-version "$(dotnet msbuild "$project" -getProperty:Version)" --disable-package-restore >/dev/null
  echo "$name $digest"
  if [ -n "$registry" ] && grep -q "concertsaga/$name\$" $digests; then
    range="\#name: concertsaga/$name\$#,\#digest:#"
    sed -i "$range { s#newName: .*#newName: $registry/concertsaga/$name#; s#digest: .*#digest: $digest# }" $digests
  fi
done
