# How long the link is good for, in seconds, and what it answers.
url=$(kubectl get configmap ci -o json | jq -r '.data.url // ""')
now=$(date +%s)
field() { echo "$url" | tr '?&' '\n\n' | sed -n "s/^$1=//p" | head -n 1; }
expires=$(field Expires)
if [ -z "$expires" ]; then
	at=$(field X-Amz-Date)
	if [ -z "$at" ]; then echo "it has no signature with an end" >&2; exit 1; fi
	at=$(date -u -D %Y%m%dT%H%M%SZ -d "$at" +%s 2>/dev/null || date -u -d "$(echo "$at" | sed 's/\(....\)\(..\)\(..\)T\(..\)\(..\)\(..\)Z/\1-\2-\3 \4:\5:\6/')" +%s)
	expires=$((at + $(field X-Amz-Expires)))
fi
status=$(curl -s -o /dev/null -m 3 -w '%{http_code}' "$url" || true)
echo "{\"left\": $((expires - now)), \"status\": $status}"
