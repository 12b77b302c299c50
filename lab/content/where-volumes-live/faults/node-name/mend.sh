kubectl patch deployment server -p '{"spec":{"template":{"spec":{"nodeName":null,"volumes":[{"name":"models","persistentVolumeClaim":{"claimName":"models"}}]}}}}'
kubectl rollout status deployment server --timeout 60s
kubectl delete pvc models-v2
