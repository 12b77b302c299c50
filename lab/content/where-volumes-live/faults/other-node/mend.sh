kubectl patch deployment server -p '{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":null}}}}}'
kubectl rollout status deployment server --timeout 60s
