# The product as people call it, not as the label says.
kubectl create configmap gpus --dry-run=client -o yaml \
	--from-literal=product=A100 --from-literal=sharing=none --from-literal=allocatable=1 | kubectl apply -f -
