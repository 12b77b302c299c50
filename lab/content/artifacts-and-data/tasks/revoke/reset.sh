# A key that has ended stays so. A new one of its name leaks in the same way.
put() { # KEY: standard input becomes an object of the bucket
	cat > /tmp/object
	curl -sS --fail --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -T /tmp/object "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
nightly() { # NAME TOKEN
	put jobs/nightly.sh <<END
#!/bin/sh
# Every night at two: counts the visits. (Works on my machine. -- T.)
set -eu
s3cmd --access_key=$1 --secret_key=$2 get --force s3://$BUCKET/datasets/visits.csv /tmp/visits.csv
wc -l </tmp/visits.csv
END
}
kubectl create secret generic ci --dry-run=client -o yaml --from-literal=name="$LEAKED_KEY_NAME" --from-literal=token="$LEAKED_KEY_SECRET" | kubectl apply -f -
nightly "$LEAKED_KEY_NAME" "$LEAKED_KEY_SECRET"
