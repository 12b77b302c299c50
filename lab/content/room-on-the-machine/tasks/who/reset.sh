kubectl scale deployment cache features scorer --replicas 1
