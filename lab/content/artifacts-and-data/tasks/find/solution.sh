mkdir -p found
s3cmd -q get --recursive --force "s3://$BUCKET/jobs/" found/
kubectl create configmap leak --dry-run=client -o yaml \
	--from-literal=file=jobs/nightly.sh --from-literal=key="$LAB-ci" --from-literal=may=write | kubectl apply -f -
