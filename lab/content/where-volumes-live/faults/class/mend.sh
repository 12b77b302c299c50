kubectl patch deployment server -p '{"spec":{"template":{"spec":{"volumes":[{"name":"models","persistentVolumeClaim":{"claimName":"models"}}]}}}}'
kubectl rollout status deployment server --timeout 60s
kubectl delete pvc models-v2
