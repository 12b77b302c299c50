kubectl set env deployment/model -n "$LAB" MODEL=v2
# Forget that v3 was tried.
for set in $(kubectl get replicasets -n "$LAB" -l app=model,track=stable -o json |
  jq -r '.items[] | select(.spec.template.spec.containers[0].env | any(.name == "MODEL" and .value == "v3")) | .metadata.name'); do
  kubectl delete replicaset "$set" -n "$LAB" --wait=false
done
