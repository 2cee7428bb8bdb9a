#!/usr/bin/env bash
# Adds a migration of one owner for all three database servers:  eng/add-migration.sh Seats AddSomething
set -euo pipefail
cd "$(dirname "$0")/.."
owner=${1:?usage: eng/add-migration.sh OWNER NAME}; name=${2:?usage: eng/add-migration.sh OWNER NAME}
project=Services/$owner; [ -d "$project" ] || project=$owner
dotnet tool restore >/dev/null
dotnet build "$project" -v q -nologo
for server in Sqlite PostgreSql SqlServer; do
  dotnet ef migrations add "$name" --no-build --project "$project" --context "$server${owner}DbContext" \
    --output-dir "Data/Migrations/$server"
done
