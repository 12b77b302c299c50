token=$(kubectl get secret ci -o json | jq -r '.data.token | @base64d')
status=$(curl -s -o /dev/null -w '%{http_code}' -X DELETE -u "$LAB-ci:$token" "$API_URL/keys/$LAB-ci")
echo "revoking it: $status" # 401 if it was revoked before
cat > nightly.sh <<'END'
#!/bin/sh
# Every night at two: counts the visits. The link comes from the environment, where CI puts it.
set -eu
curl -fsS "$URL" | wc -l
END
s3cmd -q put nightly.sh "s3://$BUCKET/jobs/nightly.sh"
