kubectl scale deployment batch --replicas=0
