# A pod that is being deleted does not stay, aside or not.
stays='.items[] | select((.metadata.name | startswith("model-")) and .metadata.deletionTimestamp == null) | .metadata.name'
aside=$(kubectl get pods -l 'app!=model' -o json | jq -r "$stays")
if [ -z "$aside" ]; then
  pod=$(kubectl get pods -l app=model -o json | jq -r "first($stays)")
  kubectl label pod "$pod" app-
fi
kubectl rollout status deployment model --timeout 60s
