#!/bin/sh
# Make a lab with an older binary, for TestUpgrade: make.sh BINARY FOLDER, as root, from the repository's root.
#
# The labs that lie here are named after the commits that made them: de494cc is the last version whose project was not
# rows, 2252840 the last one before trainers had resources and volumes lists of what stays. Each has three versions of
# iris, of which the second has the alias `champion`, a run that a user has logged, an access key, and, where the
# binary knows them, a second deployment, of version 1. Left out of the data dir is what `up` makes anew: programs,
# images and containers, metrics, logs.
set -eu
binary=$1
here=$2
mkdir -p "$here"
name=upgrade # the host's name is the node's, and so part of the lab
tmp=$(mktemp -d)
go build -o "$tmp/testhost" ./scripts/testhost/cmd/testhost
"$tmp/testhost" start -bind "$binary:/root/benchtop:ro" "$name"
folder=$("$tmp/testhost" info "$name" | awk '$1 == "folder" { print $2 }')
trap '"$tmp/testhost" stop "$name"; rm -rf "$tmp"' EXIT
run() { "$tmp/testhost" exec "$name" "$@"; }
benchtop() { run /root/benchtop "$@"; }


run sh -c 'mkdir -p /etc/benchtop; printf "project:\n  schedule: \"0 0 1 1 *\"\n" > /etc/benchtop/config.yaml'
benchtop up >"$tmp/up.log" 2>&1 &
up=$!
until grep -q '^ *Try ' "$tmp/up.log"; do
	kill -0 $up || { cat "$tmp/up.log"; exit 1; }
	sleep 1
done
benchtop train --wait
benchtop train --wait

password=$(run cat /var/lib/benchtop/secrets/admin-password)
address=$("$tmp/testhost" info "$name" | awk '$1 == "address" { print $2 }')
mlflow() { # METHOD PATH [JSON]
	"$tmp/testhost" lan "$name" curl -sSf -u "admin:$password" -X "$1" -H 'content-type: application/json' ${3:+-d "$3"} \
		"http://$address:5000/api/2.0/mlflow/$2"
}
mlflow POST registered-models/alias '{"name":"iris","alias":"champion","version":"2"}'
experiment=$(mlflow POST experiments/create '{"name":"by-hand"}' | sed 's/.*: *"\([0-9]*\)".*/\1/')
logged=$(mlflow POST runs/create "{\"experiment_id\":\"$experiment\",\"run_name\":\"mine\",\"start_time\":1}" | python3 -c 'import json,sys; print(json.load(sys.stdin)["run"]["info"]["run_id"])')
for step in 0 1 2; do
	mlflow POST runs/log-metric "{\"run_id\":\"$logged\",\"key\":\"loss\",\"value\":0.$step,\"timestamp\":$step,\"step\":$step}"
done
mlflow POST runs/update "{\"run_id\":\"$logged\",\"status\":\"FINISHED\",\"end_time\":2}"
if benchtop deploy --help >/dev/null 2>&1; then
	benchtop deploy iris/1 --name beside
fi
token=$(benchtop keys create before --role editor --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])')

{
	printf '{"token": "%s", "versions": ' "$token"
	mlflow GET 'model-versions/search?order_by=version_number' | python3 -c '
import json, sys
print(json.dumps([{k: v[k] for k in ("name", "version", "run_id", "source", "creation_timestamp")} for v in json.load(sys.stdin)["model_versions"]]))'
	printf ', "runs": '
	mlflow POST runs/search "{\"experiment_ids\":[\"0\",\"1\",\"$experiment\"],\"max_results\":100}" | python3 -c '
import json, sys
print(json.dumps([{"run_id": r["info"]["run_id"], "metrics": {m["key"]: m["value"] for m in r["data"]["metrics"]}} for r in json.load(sys.stdin)["runs"]]))'
	printf ', "served": '
	"$tmp/testhost" lan "$name" curl -sSf "http://$address/models/iris/predict?x=5.1,3.5,1.4,0.2"
	printf '}'
} | python3 -m json.tool >"$here/expected.json"

run sh -c 'kill -TERM "$(cat /var/lib/benchtop/lock)"'
wait $up
tar -C "$folder/var/lib/benchtop" --sort=name --numeric-owner -cf - \
	--exclude=./bin --exclude=./images --exclude=./log --exclude=./run --exclude=./lock --exclude=./prometheus \
	--exclude=./k3s/agent/containerd --exclude=./k3s/agent/images --exclude=./k3s/data . | zstd -19 -q -f -o "$here/lab.tar.zst"
ls -l "$here"
