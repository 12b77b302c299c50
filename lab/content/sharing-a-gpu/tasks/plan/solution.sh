kubectl create configmap plan --dry-run=client -o yaml \
	--from-literal=notebooks=time-slicing --from-literal=answers=mig --from-literal=training=whole | kubectl apply -f -
