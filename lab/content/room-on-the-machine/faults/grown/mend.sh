kubectl set env deployment/batch TABLE_MIB=45
kubectl rollout status deployment batch --timeout 80s
