#!/usr/bin/env bash
# Builds the solution and runs all tests:  ./test.sh [--no-build] [--results FOLDER] [--project NAME]... [FILTER]
#   FILTER     as of `dotnet test --filter`, such as Seats or "FullyQualifiedName~Reservations&Category!=Long"
#   --project  only these projects of tests/, such as Seats.Tests
# Tests against RabbitMQ and PostgreSQL take the servers of CONCERT_TEST_RABBITMQ and CONCERT_TEST_POSTGRES, else containers where a Docker
# API answers, else local programs; the page of the API's documentation is read with the browser of CONCERT_TEST_BROWSER or an installed
# Chromium. What is missing is installed first where this is Debian with root or sudo. CONCERT_TEST_NO_DOCKER=1 hides Docker.
set -euo pipefail
cd "$(dirname "$0")"

build=1 results=TestResults filter="" projects=()
while [ $# -gt 0 ]; do
  case $1 in
    --no-build) build=0 ;;
    --results) results=${2:?--results needs a folder}; shift ;;
    --project) projects+=("${2:?--project needs a name}"); shift ;;
    -*) echo "test.sh: '$1' is not an option; allowed: --no-build, --results FOLDER, --project NAME, and a filter." >&2; exit 2 ;;
    *) filter=$1 ;;
  esac
  shift
done

docker_answers() {
  [ "${CONCERT_TEST_NO_DOCKER:-}" = 1 ] && return 1
  [ -n "${DOCKER_HOST:-}" ] || [ -S /var/run/docker.sock ]
}

find_missing() {
  case " ${projects[*]} " in *" Gateway.Tests "*)
    [ -n "${CONCERT_TEST_BROWSER:-}" ] || command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null || missing+=(chromium-headless-shell) ;;
  esac
  docker_answers && return
  [ -n "${CONCERT_TEST_RABBITMQ:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || missing+=(rabbitmq-server)
  [ -n "${CONCERT_TEST_POSTGRES:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
}

install_missing() {
  local missing=() as=()
  find_missing
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as=(sudo); else as=(none); fi
  fi
  if ! command -v apt-get >/dev/null || [ "${as[*]:-}" = none ]; then
    echo "test.sh: ${missing[*]} cannot be installed here (that takes Debian's apt-get, and root or sudo); the tests that need them will be reported as skipped." >&2
    return 0
  fi
  echo "test.sh: installing ${missing[*]}" >&2
  # The packages would start servers of their own. A policy that says no to that is the packages' own way to prevent it.
  local policy=/usr/sbin/policy-rc.d ours=0 code=0
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee $policy >/dev/null; "${as[@]}" chmod 755 $policy; ours=1
  fi
  "${as[@]}" apt-get update -qq && "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || code=$?
  [ $ours = 0 ] || "${as[@]}" rm -f $policy
  [ $code = 0 ] || { echo "test.sh: installing ${missing[*]} failed." >&2; exit 1; }
}

if [ ${#projects[@]} = 0 ]; then
  for folder in tests/*.Tests; do projects+=("$(basename "$folder")"); done
fi
install_missing
[ $build = 0 ] || dotnet build ConcertSaga.sln -c Release -nologo -v q

rm -rf "$results"; mkdir -p "$results"
failed=()
# One project after the other: tests that send a thousand callers at once need both cores to themselves.
for project in "${projects[@]}"; do
  echo "== $project"
  timeout --kill-after=30 "${CONCERT_TEST_TIMEOUT:-20m}" dotnet test "tests/$project" --no-build -c Release -nologo \
    --results-directory "$results" --logger "trx;LogFileName=$project.trx" ${filter:+--filter "$filter"} || failed+=("$project")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "test.sh: failed: ${failed[*]}" >&2; exit 1
fi
