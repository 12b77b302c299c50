kubectl scale deployment notebook --replicas 0
kubectl wait pod smi --for jsonpath='{.status.phase}'=Succeeded --timeout 60s
