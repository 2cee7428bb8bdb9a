#!/usr/bin/env bash
# Compiles the libraries of a Release build to machine code, in place: tests start hundreds of short processes, and each would compile the
# same methods again. A start of AllInOne then takes a third less processor time. `dotnet build` restores a library when it changes.
#   eng/precompile.sh                  compiles them and replaces those of all programs
#   eng/precompile.sh --in FOLDER      replaces those in a folder, for an image; compiles them only if that was not done
set -euo pipefail
[ "${1:-}" != --in ] || target=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
output=artifacts/precompiled built=bin/Release/net10.0

compile() {
  dotnet restore eng/precompile.proj -v q
  local compiler; compiler=$(dotnet msbuild eng/precompile.proj -t:Locate -getItem:Compiler | sed -n 's/.*"FullPath": "\(.*\)".*/\1/p')
  # The newest runtime of each kind comes last.
  local -A references=()
  while read -r name version folder; do
    folder=${folder#[}; [ "${version%%.*}" = 10 ] && references[$name]="${folder%]}/$version/*.dll"
  done < <(dotnet --list-runtimes)

  rm -rf $output; mkdir -p $output
  # AllInOne has the libraries of all processes. The others are those of the tests, without the tests themselves.
  for source in AllInOne/$built/*.dll tests/*.Tests/$built/{xunit,MassTransit}*.dll; do
    [ -e "$output/${source##*/}" ] || cp "$source" $output
  done
  "$compiler" $output/*.dll --single-file-compilation --out-near-input --targetos linux -O \
    "${references[@]/#/-r:}" -r "$output/*.dll" >$output/log ||
    { tail -n 20 $output/log >&2; exit 1; }
}

if [ -n "${target:-}" ]; then
  [ -e $output/log ] || compile
  for original in $output/*.dll; do
    case $original in *.ni.dll) continue ;; esac
    file=$target/${original##*/}
    ! cmp -s "$original" "$file" || cp "${original%.dll}.ni.dll" "$file"
  done
  exit
fi

compile
# Links, so that processes share the memory of the code. A file that differs is of another version or platform. SqlServer.Tests finds the
# callers of statements in stack traces, which need code without optimizations.
count=0
for folder in {,*/,*/*/}$built; do
  for original in $output/*.dll; do
    case $original in *.ni.dll) continue ;; esac
    name=${original##*/}
    case $folder/$name in tests/SqlServer.Tests/*/ConcertSaga.*) continue ;; esac
    if cmp -s "$original" "$folder/$name"; then ln -f "${original%.dll}.ni.dll" "$folder/$name"; count=$((count + 1)); fi
  done
done
echo "$count files replaced."
[ $count -gt 0 ]
