# The notebooks take every GPU that is free, as many as there are.
kubectl scale deployment notebook --replicas 20
for i in $(seq 25); do
	sleep 0.2
	pods=$(kubectl get pods -l app=notebook -o json)
	waiting=$(echo "$pods" | jq '[.items[] | select(any(.status.conditions[]?; .reason == "Unschedulable"))] | length')
	placed=$(echo "$pods" | jq '[.items[] | select(.spec.nodeName != null)] | length')
	if [ $((waiting + placed)) -ge 20 ]; then break; fi
done
kubectl scale deployment notebook --replicas "$placed"
