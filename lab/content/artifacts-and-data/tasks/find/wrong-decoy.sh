# A secret_key that never was one.
kubectl create configmap leak --dry-run=client -o yaml \
	--from-literal=file=jobs/old/cleanup.sh --from-literal=key="$LAB-ci" --from-literal=may=read | kubectl apply -f -
