#!/usr/bin/env bash
# The distributed form of the product on one machine: RabbitMQ, PostgreSQL (Debian's packages, private data) and each process by itself.
#   eng/local-cluster.sh up [--no-build] [--only=NAME,NAME] [--Key=value]...   starts everything; keys go to every process
#   eng/local-cluster.sh status                 each process with its id, port and readiness; exit code 1 unless all are ready
#   eng/local-cluster.sh kill NAME              ends one process as `kill -9` does
#   eng/local-cluster.sh stop NAME              ends one process orderly
#   eng/local-cluster.sh start NAME             starts it again at the same port and waits until it is ready
#   eng/local-cluster.sh down                   ends all and removes their data
# NAME: postgres, rabbitmq, orchestrator, queue, seats, points, payments, dataplatform, receiver (which stands in for the outside data platform),
# gateway. Everything is kept in one folder, CONCERT_CLUSTER or ${TMPDIR:-/tmp}/concertsaga-cluster: cluster.env (addresses, ports, secrets, for
# programs to read), NAME.pid, NAME.log, and the data.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${CONCERT_CLUSTER:-${TMPDIR:-/tmp}/concertsaga-cluster}
servers=(postgres rabbitmq)
services=(orchestrator queue seats points payments receiver dataplatform gateway)

fail() { echo "local-cluster: $*" >&2; exit 1; }
upper() { tr '[:lower:]' '[:upper:]' <<<"$1"; }

project_of() { # the folder of a process
  case $1 in
    orchestrator) echo Orchestrator ;;
    gateway) echo Gateway ;;
    dataplatform) echo Services/DataPlatform ;;
    receiver) echo tests/DataPlatformStub ;;
    *) echo "Services/$(upper "${1:0:1}")${1:1}" ;;
  esac
}
program_of() { local project; project=$(project_of "$1"); echo "$root/$project/bin/Release/net10.0/ConcertSaga.${project##*/}.dll"; }

# Below the range the system gives to outgoing connections, because a client that keeps calling a dead server could otherwise be given
# that server's own port.
given_ports=" "
free_port() { # sets port
  while :; do
    port=$((20000 + RANDOM % 12000))
    [[ $given_ports != *" $port "* ]] && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  done
  given_ports+="$port "
}
random_text() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# A process is known by its id and the moment it started, so that an id the system has given to somebody else is never signalled.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
id_of() { # prints the id when the process runs
  local id at
  read -r id at 2>/dev/null <"$state/$1.pid" || return 1
  [ "$(born "$id")" = "$at" ] && [ "$(sed 's/.*) //' "/proc/$id/stat" | cut -c1)" != Z ] && echo "$id"
}

is_ready() {
  local port line
  port=$(value "$(upper "$1")_PORT")
  case $1 in
    postgres) "$(value POSTGRES_BIN)/pg_isready" -q -h 127.0.0.1 -p "$port" ;;
    # The broker's first frame is the answer; the port opens a little before.
    rabbitmq) [ "$( (exec 3<>"/dev/tcp/127.0.0.1/$port"; printf 'AMQP\0\0\x09\x01' >&3; timeout 3 head -c 7 <&3 | wc -c) 2>/dev/null)" = 7 ] ;;
    *) line=$( (exec 3<>"/dev/tcp/127.0.0.1/$port"; printf 'GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3; timeout 10 head -n 1 <&3) 2>/dev/null) &&
         [[ $line == *" 200 "* ]] ;;
  esac
}
wait_ready() {
  local limit=$((SECONDS + 90))
  until is_ready "$1"; do
    id_of "$1" >/dev/null || { tail -n 10 "$state/$1.log" >&2; fail "$1 ended at its start; its last lines are above."; }
    [ $SECONDS -lt $limit ] || { tail -n 10 "$state/$1.log" >&2; fail "$1 was not ready within 90 s; its last lines are above."; }
    sleep 0.1
  done
}

value() { # of a key of cluster.env
  sed -n "s/^$1=//p" "$state/cluster.env"
}

# Starts a process in a session of its own, away from this terminal.
launch() { # name, folder to start in, command
  local name=$1 folder=$2; shift 2
  rm -f "$state/$name.pid"
  (cd "$folder" && exec setsid --fork sh -c 'echo "$$ $(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)" > "$1.new" && mv "$1.new" "$1" && shift && exec "$@"' \
    launch "$state/$name.pid" "$@" </dev/null >>"$state/$name.log" 2>&1)
  until [ -e "$state/$name.pid" ]; do sleep 0.02; done
}

start_one() {
  local name=$1 arguments=()
  case $name in
    postgres)
      launch postgres "$state/postgres" "${as_postgres[@]}" "$(value POSTGRES_BIN)/postgres" -D "$state/postgres/data" -p "$(value POSTGRES_PORT)" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=400 ;;
    rabbitmq)
      # A port mapper of its own, in the broker's process group, ends with it; the shared one would stay behind.
      launch rabbitmq "$state/rabbitmq" env HOME="$state/rabbitmq" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$(value RABBITMQ_EPMD_PORT)" \
        RABBITMQ_NODENAME="$(value RABBITMQ_NODENAME)" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$(value RABBITMQ_PORT)" \
        RABBITMQ_DIST_PORT="$(value RABBITMQ_DIST_PORT)" RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        RABBITMQ_MNESIA_BASE="$state/rabbitmq/data" RABBITMQ_LOG_BASE="$state/rabbitmq/log" RABBITMQ_LOGS=- RABBITMQ_PID_FILE="$state/rabbitmq/pid" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$state/rabbitmq/enabled_plugins" RABBITMQ_CONFIG_FILE="$state/rabbitmq/rabbitmq.conf" \
        RABBITMQ_CONF_ENV_FILE="$state/rabbitmq/none" RUNNING_UNDER_SYSTEMD=true \
        sh -c 'epmd -port $ERL_EPMD_PORT & until epmd -port $ERL_EPMD_PORT -names >/dev/null 2>&1; do sleep 0.05; done; exec "$1"' \
        broker "$(value RABBITMQ_BIN)/rabbitmq-server" ;;
    *)
      mapfile -t arguments <"$state/$name.arguments"
      [ "$name" = receiver ] || arguments+=("--urls=http://127.0.0.1:$(value "$(upper "$name")_PORT")")
      launch "$name" "$(dirname "$(program_of "$name")")" env DOTNET_GCgen0size=0x4000000 dotnet "$(program_of "$name")" "${arguments[@]}" ;;
  esac
}

end_one() { # name, how: KILL, or any other word for an orderly end
  local name=$1 how=$2 id children limit=$((SECONDS + 45))
  id=$(id_of "$name") || return 0
  children=$(pgrep -P "$id" || true)
  if [ "$how" != KILL ]; then
    # For PostgreSQL SIGINT is the orderly end; SIGTERM would wait for every client to leave.
    kill -s "$([ "$name" = postgres ] && echo INT || echo TERM)" "$id"
    while id_of "$name" >/dev/null && [ $SECONDS -lt $limit ]; do sleep 0.05; done
  fi
  # What is left of the group: the process itself if it was to be killed or did not listen, and the broker's port mapper.
  kill -9 -- "-$id" 2>/dev/null || true
  while id_of "$name" >/dev/null; do sleep 0.02; done
  for child in $children; do
    # Their parent is gone, so what has not followed it yet is a remainder of it.
    while [ -d "/proc/$child" ] && [ $SECONDS -lt $limit ]; do sleep 0.02; done
  done
}

down() {
  [ -d "$state" ] || return 0
  # Front to back, so that nobody calls what is gone.
  for name in gateway orchestrator; do end_one $name orderly; done
  for name in queue seats points payments dataplatform; do end_one $name orderly & done; wait
  end_one receiver orderly
  for name in "${servers[@]}"; do end_one "$name" orderly & done; wait
  rm -rf "$state"
}

find_servers() {
  postgres_bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)
  [ -n "$postgres_bin" ] || postgres_bin=$(dirname "$(command -v initdb || echo /)")
  [ -x "$postgres_bin/initdb" ] || fail "PostgreSQL is not installed (Debian: apt-get install postgresql)."
  rabbitmq_bin=/usr/lib/rabbitmq/bin
  [ -x $rabbitmq_bin/rabbitmq-server ] || rabbitmq_bin=$(dirname "$(command -v rabbitmq-server || echo /)")
  [ -x "$rabbitmq_bin/rabbitmq-server" ] || fail "RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)."
}

up() {
  local build=1 chosen=("${services[@]}") extra=()
  [ ! -e "$state" ] || fail "there is a cluster in $state already; end it with: eng/local-cluster.sh down"
  for argument in "$@"; do
    case $argument in
      --no-build) build=0 ;;
      --only=*) IFS=, read -ra chosen <<<"${argument#--only=}" ;;
      --*:*=* | --urls=* | --environment=*) extra+=("$argument") ;;
      *) fail "'$argument' is not an option; allowed: --no-build, --only=NAME,NAME, and --Key=value with a configuration key." ;;
    esac
  done
  for name in "${chosen[@]}"; do
    [[ " ${services[*]} " == *" $name "* ]] || fail "'$name' is not a process; allowed: ${services[*]}."
    compgen -G "$root/$(project_of "$name")/*.csproj" >/dev/null || fail "$(project_of "$name") is not in this tree."
  done
  find_servers
  if [ $build = 1 ]; then
    for name in "${chosen[@]}"; do dotnet build "$root/$(project_of "$name")" -c Release -nologo -v q >&2 || fail "$name does not build."; done
  fi
  for name in "${chosen[@]}"; do [ -e "$(program_of "$name")" ] || fail "$name has not been built: $(program_of "$name") is missing."; done

  # The folder is the lock: of two that start at the same time one makes it.
  mkdir -p "$(dirname "$state")"; mkdir "$state" 2>/dev/null || fail "there is a cluster in $state already; end it with: eng/local-cluster.sh down"
  trap 'code=$?; trap - EXIT; echo "local-cluster: not started; ending what was." >&2; down; exit $code' EXIT
  trap 'exit 130' INT TERM
  chmod 711 "$state"

  local secret password key webhook
  secret=$(random_text) password=$(random_text) webhook=whsec_$(head -c 32 /dev/urandom | base64 -w0)
  (umask 077; : >"$state/cluster.env")
  put() { echo "$1=$2" >>"$state/cluster.env"; }
  put STATE "$state"; put PROCESSES "${servers[*]} ${chosen[*]}"
  put POSTGRES_BIN "$postgres_bin"; free_port; put POSTGRES_PORT $port; local postgres_port=$port
  put RABBITMQ_BIN "$rabbitmq_bin"; free_port; put RABBITMQ_PORT $port; local rabbitmq_port=$port
  free_port; put RABBITMQ_DIST_PORT $port; free_port; put RABBITMQ_EPMD_PORT $port; put RABBITMQ_NODENAME "concert-$(random_text)@localhost"
  for name in "${services[@]}"; do
    free_port; put "$(upper "$name")_PORT" $port; put "$(upper "$name")_URL" "http://127.0.0.1:$port"
  done
  put GATEWAY_SECRET "$secret"
  put WEBHOOK_SECRET "$webhook"
  put RABBITMQ_URL "amqp://concert:$password@127.0.0.1:$rabbitmq_port/"
  put POSTGRES_PASSWORD "$password"
  database() { echo "Host=127.0.0.1;Port=$postgres_port;Username=concert;Password=$password;Database=$1;Maximum Pool Size=80"; }
  for name in orchestrator queue seats points payments dataplatform; do put "$(upper "$name")_DATABASE" "$(database $name)"; done

  mkdir -p "$state/rabbitmq" "$state/postgres"
  echo '[].' >"$state/rabbitmq/enabled_plugins"
  printf 'default_user = concert\ndefault_pass = %s\ndisk_free_limit.absolute = 50MB\n' "$password" >"$state/rabbitmq/rabbitmq.conf"
  start_one rabbitmq

  echo "$password" >"$state/postgres/password"
  [ ${#as_postgres[@]} = 0 ] || chown -R postgres "$state/postgres"
  (cd "$state/postgres" && "${as_postgres[@]}" "$postgres_bin/initdb" -D "$state/postgres/data" -U concert --pwfile="$state/postgres/password" \
    -A scram-sha-256 -E UTF8 --locale=C.UTF-8 >"$state/postgres.log" 2>&1) || { tail -n 5 "$state/postgres.log" >&2; fail "initdb failed."; }
  rm "$state/postgres/password"
  start_one postgres; wait_ready postgres

  for name in "${chosen[@]}"; do
    local arguments=("--Gateway:Secret=$secret" "--ConnectionStrings:RabbitMq=$(value RABBITMQ_URL)")
    if [ "$name" = receiver ]; then
      # No process of the product: it takes nothing but its own arguments.
      (umask 077; printf '%s\n' "--port=$(value RECEIVER_PORT)" "--secret=$webhook" >"$state/$name.arguments")
      continue
    elif [ "$name" = gateway ]; then
      arguments+=("--Authentication:Demo:Enabled=true")
      for key in orchestrator queue seats points dataplatform; do
        arguments+=("--ReverseProxy:Clusters:$key:Destinations:one:Address=$(value "$(upper $key)_URL")")
      done
    else
      key=$(project_of "$name"); key=${key##*/}
      arguments+=("--Database:Provider=PostgreSql" "--ConnectionStrings:$key=$(database "$name")")
      [ "$name" != seats ] || arguments+=("--Seats:SeedDemoData=true")
      [ "$name" != queue ] || arguments+=("--Queue:SeatsAddress=$(value SEATS_URL)")
      [ "$name" != dataplatform ] || arguments+=("--DataPlatform:Destination=$(value RECEIVER_URL)/events" "--DataPlatform:Secrets=$webhook"
        "--DataPlatform:AllowedNetworks=127.0.0.0/8" "--DataPlatform:OrchestratorAddress=$(value ORCHESTRATOR_URL)")
      PGPASSWORD=$password "$postgres_bin/createdb" -h 127.0.0.1 -p "$postgres_port" -U concert "$name"
    fi
    (umask 077; printf '%s\n' "${arguments[@]}" "${extra[@]}" >"$state/$name.arguments")
    if [ "$name" != gateway ]; then
      (cd "$(dirname "$(program_of "$name")")" && dotnet "$(program_of "$name")" migrate "${arguments[@]}" "${extra[@]}" >>"$state/$name.log" 2>&1) ||
        { tail -n 5 "$state/$name.log" >&2; fail "the migration of $name failed."; }
    fi
  done
  wait_ready rabbitmq
  for name in "${chosen[@]}"; do start_one "$name"; done
  for name in "${chosen[@]}"; do wait_ready "$name"; done
  trap - EXIT INT TERM
  status
  [[ " ${chosen[*]} " != *" gateway "* ]] || echo "gateway: $(value GATEWAY_URL)"
}

status() {
  local all=0 id
  for name in $(value PROCESSES); do
    if ! id=$(id_of "$name"); then id=-; readiness=ended; all=1
    elif is_ready "$name"; then readiness=ready
    else readiness="not ready"; all=1; fi
    printf '%-13s id %-8s port %-6s %s\n' "$name" "$id" "$(value "$(upper "$name")_PORT")" "$readiness"
  done
  return $all
}

one() { # checks a NAME
  [ -e "$state/cluster.env" ] || fail "there is no cluster in $state; start one with: eng/local-cluster.sh up"
  [[ " $(value PROCESSES) " == *" ${1:-} "* ]] || fail "'${1:-}' is not a process of this cluster; allowed: $(value PROCESSES)."
}

# PostgreSQL refuses to run as root. This becomes the other user without a process in between, so the id stays that of the server.
as_postgres=()
[ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)

command=${1:-}; [ $# = 0 ] || shift
case $command in
  up) up "$@" ;;
  down) down ;;
  status) [ -e "$state/cluster.env" ] || fail "there is no cluster in $state."; status ;;
  kill) one "${1:-}"; end_one "$1" KILL ;;
  stop) one "${1:-}"; end_one "$1" orderly ;;
  start)
    one "${1:-}"
    if id_of "$1" >/dev/null; then fail "$1 runs already."; fi
    start_one "$1"; wait_ready "$1" ;;
  *) fail "usage: eng/local-cluster.sh up|down|status|kill NAME|stop NAME|start NAME" ;;
esac
