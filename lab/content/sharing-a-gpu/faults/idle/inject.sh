# The trainer's GPU goes to the notebooks, as all others.
kubectl scale deployment trainer --replicas 0
kubectl delete pods -l app=trainer --now
if [ -z "$(kubectl get deployment notebook --ignore-not-found -o name)" ]; then
	kubectl create deployment notebook --image "$PYTHON_IMAGE" --replicas 0 --dry-run=client -o json -- sleep 1000000 |
		jq '.spec.template.spec.terminationGracePeriodSeconds = 0 | .spec.template.spec.containers[0].resources = {requests: {cpu: "5m", memory: "8Mi"}, limits: {"nvidia.com/gpu": "1"}}' | kubectl apply -f -
fi
kubectl scale deployment notebook --replicas 20
for i in $(seq 25); do
	sleep 0.2
	pods=$(kubectl get pods -l app=notebook -o json)
	waiting=$(echo "$pods" | jq '[.items[] | select(any(.status.conditions[]?; .reason == "Unschedulable"))] | length')
	placed=$(echo "$pods" | jq '[.items[] | select(.spec.nodeName != null)] | length')
	if [ $((waiting + placed)) -ge 20 ]; then break; fi
done
kubectl scale deployment notebook --replicas "$placed"
kubectl scale deployment trainer --replicas 1
