kubectl patch service model -n "$LAB" -p '{"spec": {"publishNotReadyAddresses": true}}'
kubectl get deployment model -n "$LAB" -o json | jq '{apiVersion, kind, metadata: {name: "model-next"}, spec: {
    replicas: 1, selector: {matchLabels: {app: "model", track: "next"}},
    template: (.spec.template | .metadata = {labels: {app: "model", track: "next"}}
      | .spec.containers[0].env |= map(if .name == "MODEL" then .value = "v3" else . end))}}' |
  kubectl apply -n "$LAB" -f -
