# A pod that is deleted is replaced, and nothing is left to look at.
pod=$(kubectl get pods -l app=model -o name | head -n 1)
kubectl delete "$pod" --wait=false
