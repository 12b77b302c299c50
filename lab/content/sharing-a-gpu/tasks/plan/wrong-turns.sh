# Two firms that feel each other.
kubectl create configmap plan --dry-run=client -o yaml \
	--from-literal=notebooks=mig --from-literal=answers=time-slicing --from-literal=training=whole | kubectl apply -f -
